using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Remembers good signatures, so that a transaction that was checked when it came in is not checked again in its block. Forgets the oldest half when full.
/// Only a name that binds key, message and signature is remembered, and only after the signature was found good.
/// </summary>
public sealed class VerifiedSignatures(int capacity = 1 << 17)
{
    private const int OnStack = 2048;
    private readonly Lock _lock = new();
    private HashSet<Digest> _recent = [];
    private HashSet<Digest> _older = [];

    public bool Verify(PublicKey key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        var name = NameOf(key, message, signature);
        lock (_lock)
        {
            if (_recent.Contains(name) || _older.Contains(name)) return true;
        }

        if (!Signatures.Verify(key, message, signature)) return false;
        lock (_lock)
        {
            if (_recent.Count >= capacity / 2) (_older, _recent) = (_recent, []);
            _recent.Add(name);
        }

        return true;
    }

    // The key id and the signature have fixed lengths, so nothing can be moved from one part to another.
    private static Digest NameOf(PublicKey key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        var size = Identifier.Size + signature.Length + message.Length;
        // One call for the whole is several times cheaper than a hash that is fed in parts.
        Span<byte> named = size <= OnStack ? stackalloc byte[size] : new byte[size];
        key.Id.CopyTo(named);
        signature.CopyTo(named[Identifier.Size..]);
        message.CopyTo(named[(Identifier.Size + signature.Length)..]);
        return Digest.Of(named);
    }
}
