using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Which of a dealer's secrets a share is of. One participant gives one kind only about another: both together open its update.</summary>
public enum ShareKind
{
    /// <summary>S: the seed, from which the masks with its neighbours follow. Opened for who dropped out.</summary>
    Seed = 1,
    /// <summary>B: b, from which its own mask follows. Opened for who survived and then fell silent.</summary>
    Self = 2,
}

/// <summary>A share and the salt of its commitment.</summary>
/// <param name="Point">x, from 1.</param>
/// <param name="Share">32 bytes.</param>
/// <param name="Salt">16 bytes.</param>
public readonly record struct SaltedShare(byte Point, ReadOnlyMemory<byte> Share, ReadOnlyMemory<byte> Salt)
{
    /// <summary>Bytes of a salt.</summary>
    public const int SaltBytes = 16;

    /// <summary>The leaf that commits to it. The kinds have leaves and salts of their own, so that opening one never helps to open the other.</summary>
    public Digest Leaf(ShareKind kind, CohortContext cohort, ushort dealer, ushort holder) =>
        new Preimage(kind is ShareKind.Seed ? "ls" : "lb").Add(cohort.Digest).Add(dealer).Add(holder).Add([Point]).Add(Share.Span).Add(Salt.Span).Finish();
}

/// <summary>
/// What one dealer tells one neighbour: x ‖ share of seed ‖ salt ‖ share of b ‖ salt, 97 bytes, under AES-256-GCM with a key for this one
/// message (docs/spec/fedmask.md §7). The memory is pinned and zeroed on disposal.
/// </summary>
public sealed class ShareEnvelope : IDisposable
{
    /// <summary>Bytes inside.</summary>
    public const int PlainBytes = 1 + (2 * (MaskKeys.Size + SaltedShare.SaltBytes));
    /// <summary>Bytes of a sealed envelope: the ciphertext and its tag.</summary>
    public const int SealedBytes = PlainBytes + TagBytes;

    private const int TagBytes = 16;
    private const int NonceBytes = 12;
    private const int HalfBytes = MaskKeys.Size + SaltedShare.SaltBytes;

    private readonly byte[] _plain = GC.AllocateArray<byte>(PlainBytes, pinned: true);

    /// <summary>An envelope with these 97 bytes.</summary>
    public ShareEnvelope(ReadOnlySpan<byte> plain) => plain.CopyTo(_plain);

    /// <summary>The bytes, for the journal only.</summary>
    internal ReadOnlySpan<byte> Plain => _plain;

    /// <summary>The share of one kind.</summary>
    public SaltedShare Half(ShareKind kind)
    {
        var half = _plain.AsMemory(kind is ShareKind.Seed ? 1 : 1 + HalfBytes, HalfBytes);
        return new(_plain[0], half[..MaskKeys.Size], half[MaskKeys.Size..]);
    }

    /// <summary>Seals it. A key and its nonce, which is zero, are used once: what was sealed is kept and sent again, never sealed again.</summary>
    public void Seal(ReadOnlySpan<byte> key, CohortContext cohort, ushort dealer, ushort holder, Span<byte> sealedBytes) => Seal(key, Associated(cohort, dealer, holder), sealedBytes);

    /// <summary>Opens an envelope; null where key, context, names or bytes are not those of the sealing.</summary>
    public static ShareEnvelope? TryOpen(ReadOnlySpan<byte> key, CohortContext cohort, ushort dealer, ushort holder, ReadOnlySpan<byte> sealedBytes) => TryOpen(key, Associated(cohort, dealer, holder), sealedBytes);

    internal void Seal(ReadOnlySpan<byte> key, ReadOnlySpan<byte> associated, Span<byte> sealedBytes)
    {
        using var gcm = new AesGcm(key, TagBytes);
        gcm.Encrypt(stackalloc byte[NonceBytes], _plain, sealedBytes[..PlainBytes], sealedBytes.Slice(PlainBytes, TagBytes), associated);
    }

    internal static ShareEnvelope? TryOpen(ReadOnlySpan<byte> key, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> sealedBytes)
    {
        if (sealedBytes.Length != SealedBytes) return null;
        var envelope = new ShareEnvelope([]);
        using var gcm = new AesGcm(key, TagBytes);
        try
        {
            gcm.Decrypt(stackalloc byte[NonceBytes], sealedBytes[..PlainBytes], sealedBytes[PlainBytes..], envelope._plain, associated);
            return envelope;
        }
        catch (AuthenticationTagMismatchException)
        {
            envelope.Dispose();
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_plain);

    internal static byte[] Associated(CohortContext cohort, ushort dealer, ushort holder)
    {
        var bytes = new byte[Digest.Size + (2 * sizeof(ushort))];
        cohort.Digest.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(Digest.Size), dealer);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(Digest.Size + sizeof(ushort)), holder);
        return bytes;
    }
}
