using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>A participant's secrets for one attempt: pinned, never moved, zeroed on disposal. They stay in a process that the participant chose.</summary>
public sealed class MaskSecrets : IDisposable
{
    /// <summary>Random bytes that an attempt takes.</summary>
    public const int RandomBytes = 5 * MaskKeys.Size;

    private readonly byte[] _bytes = GC.AllocateArray<byte>(RandomBytes, pinned: true);
    private readonly SortedDictionary<ushort, ShareEnvelope> _received = [];
    private readonly SortedDictionary<ushort, byte[]> _pairs = [];

    /// <summary>The secrets of an attempt. The bytes are used for no other, whatever becomes of this one.</summary>
    /// <param name="random">160 random bytes.</param>
    /// <exception cref="ArgumentException">Another number of bytes.</exception>
    public MaskSecrets(ReadOnlySpan<byte> random)
    {
        if (random.Length != RandomBytes) throw new ArgumentException($"An attempt takes {RandomBytes} random bytes, not {random.Length}.", nameof(random));
        random.CopyTo(_bytes);
    }

    /// <summary>The seed: what neighbours give back when the participant drops out.</summary>
    internal ReadOnlySpan<byte> Seed => _bytes.AsSpan(0, MaskKeys.Size);

    /// <summary>skEnc. Independent of the seed: a seed becomes public, and must never open an envelope.</summary>
    internal ReadOnlySpan<byte> EnvelopeSecret => _bytes.AsSpan(MaskKeys.Size, MaskKeys.Size);

    /// <summary>b: what keeps the update hidden when the seed is given back although the update arrived.</summary>
    internal ReadOnlySpan<byte> Self => _bytes.AsSpan(2 * MaskKeys.Size, MaskKeys.Size);

    /// <summary>From which coefficients and salts are drawn.</summary>
    internal ReadOnlySpan<byte> DealingKey => _bytes.AsSpan(3 * MaskKeys.Size, MaskKeys.Size);

    /// <summary>The part of the beacon; public once it is sent.</summary>
    internal Digest Nonce => Digest.From(_bytes.AsSpan(4 * MaskKeys.Size, MaskKeys.Size));

    /// <summary>All of it, for the journal only.</summary>
    internal ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Others' shares, by dealer.</summary>
    internal IReadOnlyDictionary<ushort, ShareEnvelope> Received => _received;

    /// <summary>Whether the secrets are gone.</summary>
    public bool AreZeroed { get; private set; }

    /// <summary>What the masks with a neighbour follow from, where a ciphertext told it; empty where it follows from keys alone.</summary>
    internal ReadOnlySpan<byte> PairWith(ushort neighbour) => _pairs.TryGetValue(neighbour, out var pair) ? pair : [];

    internal void Keep(ushort dealer, ShareEnvelope envelope, ReadOnlySpan<byte> pair)
    {
        _received[dealer] = envelope;
        if (pair.IsEmpty) return;
        pair.CopyTo(_pairs[dealer] = GC.AllocateArray<byte>(MaskKeys.Size, pinned: true));
    }

    internal void ForgetReceived()
    {
        foreach (var envelope in _received.Values) envelope.Dispose();
        foreach (var pair in _pairs.Values) CryptographicOperations.ZeroMemory(pair);
        _received.Clear();
        _pairs.Clear();
    }

    /// <summary>The public part.</summary>
    internal KeyAdvert Advert(ushort position, KeyExchange exchange) => KeyAdvert.Create(position, MaskKeys.MaskPublicKeyOf(Seed, exchange), MaskKeys.PublicKeyOf(EnvelopeSecret, exchange), Nonce);

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_bytes);
        ForgetReceived();
        AreZeroed = true;
    }
}
