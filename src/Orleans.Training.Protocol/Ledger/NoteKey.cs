using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>What a key signs on a note: the type byte of a C2SP signed-note verifier key.</summary>
public enum NoteKeyKind : byte
{
    /// <summary>A log's own line: Ed25519 over the note text.</summary>
    Log = 0x01,
    /// <summary>A timestamped Ed25519 cosignature (C2SP tlog-cosignature).</summary>
    Cosignature = 0x04,
}

/// <summary>A verifier key of a signed note: name, kind and Ed25519 public key (C2SP signed-note, "verifier keys").</summary>
public sealed record NoteKey
{
    /// <summary>A key under a name; the name is non-empty and has neither white space nor '+'.</summary>
    /// <exception cref="ArgumentException">The name breaks that rule, or the key is no Ed25519 key.</exception>
    public NoteKey(string name, NoteKeyKind kind, PublicKey key)
    {
        if (!IsName(name)) throw new ArgumentException($"'{name}' cannot name a note key: no white space, no '+', not empty.", nameof(name));
        if (key.Algorithm is not SignatureAlgorithm.Ed25519) throw new ArgumentException("A note key is an Ed25519 key.", nameof(key));
        Name = name;
        Kind = kind;
        Key = key;
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData([.. Encoding.UTF8.GetBytes(name), (byte)'\n', (byte)kind, .. key.Bytes.Span], hash);
        Id = BinaryPrimitives.ReadUInt32BigEndian(hash);
    }

    /// <summary>The key's name; for a log, its origin.</summary>
    public string Name { get; }

    /// <summary>What it signs.</summary>
    public NoteKeyKind Kind { get; }

    /// <summary>The Ed25519 key.</summary>
    public PublicKey Key { get; }

    /// <summary>The first four bytes of SHA-256(name ‖ "\n" ‖ kind ‖ key), big-endian.</summary>
    public uint Id { get; }

    /// <summary>Parses a vkey: name "+" 8 hexadecimal digits "+" base64(kind ‖ key).</summary>
    public static bool TryParse(string text, out NoteKey? key)
    {
        key = null;
        var parts = text.Split('+', 3);
        if (parts.Length != 3 || !IsName(parts[0]) || !SignedNote.TryBase64(parts[2], 33, out var bytes)) return false;
        var kind = (NoteKeyKind)bytes[0];
        if (kind is not (NoteKeyKind.Log or NoteKeyKind.Cosignature) || !PublicKey.TryCreate(SignatureAlgorithm.Ed25519, bytes.AsSpan(1), out var publicKey)) return false;
        var parsed = new NoteKey(parts[0], kind, publicKey!);
        if (!string.Equals(parts[1], parsed.Id.ToString("x8", null), StringComparison.Ordinal)) return false;
        key = parsed;
        return true;
    }

    /// <summary>The vkey.</summary>
    public override string ToString() => $"{Name}+{Id:x8}+{Convert.ToBase64String([(byte)Kind, .. Key.Bytes.Span])}";

    internal static bool IsName(string name) => name.Length is > 0 and <= 256 && !name.Contains('+') && !name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c));
}
