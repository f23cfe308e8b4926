using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>What a hash of FedMask is computed over: a label behind its length, then parts of fixed width, integers little-endian (docs/spec/fedmask.md §2).</summary>
internal readonly ref struct Preimage : IDisposable
{
    private readonly IncrementalHash _hash;

    public Preimage(string label)
    {
        _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        _hash.AppendData(Info(label));
    }

    public Preimage Add(scoped ReadOnlySpan<byte> bytes)
    {
        _hash.AppendData(bytes);
        return this;
    }

    public Preimage Add(Digest digest)
    {
        Span<byte> bytes = stackalloc byte[Digest.Size];
        digest.CopyTo(bytes);
        return Add(bytes);
    }

    public Preimage Add(ushort number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, number);
        return Add(bytes);
    }

    public Preimage Add(ulong number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, number);
        return Add(bytes);
    }

    /// <summary>SHA-256 of all of it. Nothing may be added afterwards.</summary>
    public Digest Finish()
    {
        Span<byte> hash = stackalloc byte[Digest.Size];
        _hash.GetHashAndReset(hash);
        _hash.Dispose();
        return Digest.From(hash);
    }

    public void Dispose() => _hash.Dispose();

    /// <summary>The label behind its length, and positions behind it: the info of a key derivation.</summary>
    public static byte[] Info(string label, params ReadOnlySpan<ushort> positions)
    {
        var info = new byte[1 + label.Length + (sizeof(ushort) * positions.Length)];
        info[0] = (byte)label.Length;
        Encoding.ASCII.GetBytes(label, info.AsSpan(1));
        for (var i = 0; i < positions.Length; i++) BinaryPrimitives.WriteUInt16LittleEndian(info.AsSpan(1 + label.Length + (sizeof(ushort) * i)), positions[i]);
        return info;
    }

    /// <summary>The digest of a set of positions: SHA-256 of them, ascending, two bytes each.</summary>
    /// <exception cref="ArgumentException">They do not ascend.</exception>
    public static Digest OfSet(ReadOnlySpan<ushort> positions)
    {
        var bytes = new byte[sizeof(ushort) * positions.Length];
        for (var i = 0; i < positions.Length; i++)
        {
            if (i > 0 && positions[i] <= positions[i - 1]) throw new ArgumentException("Positions of a set ascend.", nameof(positions));
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(sizeof(ushort) * i), positions[i]);
        }

        return Digest.Of(bytes);
    }
}
