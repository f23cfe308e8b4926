using System.Buffers.Binary;
using System.Security.Cryptography;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// A promise of which records a participant trains on, that tells nobody what they are: the RFC 6962 tree over
/// SHA-256(0x00 ‖ salt ‖ canonical record) in the owner's order (docs/spec/data.md). Salts derive from one secret that stays with the owner,
/// so that a record cannot be guessed, and can be opened alone.
/// </summary>
public sealed class DatasetCommitment
{
    /// <summary>Bytes of the owner's secret, and of a salt.</summary>
    public const int SaltBytes = 32;

    private readonly byte[] _secret;
    private MerkleFrontier _tree = MerkleFrontier.Empty;

    /// <summary>A commitment to no record yet.</summary>
    /// <exception cref="ArgumentException">The secret has not 32 bytes.</exception>
    public DatasetCommitment(ReadOnlySpan<byte> secret)
    {
        if (secret.Length != SaltBytes) throw new ArgumentException($"A secret has {SaltBytes} bytes, not {secret.Length}.", nameof(secret));
        _secret = secret.ToArray();
    }

    /// <summary>Records appended so far.</summary>
    public long Count { get; private set; }

    /// <summary>The salt of the record at this index: HMAC-SHA256(secret, LE64(index)).</summary>
    public static byte[] SaltOf(ReadOnlySpan<byte> secret, long index)
    {
        Span<byte> position = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(position, index);
        return HMACSHA256.HashData(secret, position);
    }

    /// <summary>The leaf of a record: SHA-256(0x00 ‖ salt ‖ record).</summary>
    public static Digest LeafOf(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> record) => MerkleHash.Leaf([.. salt, .. record]);

    /// <summary>Appends the next record, as <see cref="CanonicalRecord"/> encodes it.</summary>
    public void Append(ReadOnlySpan<byte> record) => _tree = _tree.Append([LeafOf(SaltOf(_secret, Count++), record)]);

    /// <summary>The root over all records; the commitment is empty again afterwards.</summary>
    public Digest Finish()
    {
        var root = _tree.Root;
        (Count, _tree) = (0, MerkleFrontier.Empty);
        return root;
    }
}
