using System.Buffers.Binary;
using System.Text;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>One signature line of a note: the name, and the key id with what follows it.</summary>
public sealed record NoteSignature(string Name, uint KeyId, ReadOnlyMemory<byte> Content)
{
    /// <summary>What a cosignature says about when it was made, in seconds since 1970; unchecked. 0 for lines of other kinds.</summary>
    public ulong CosignedAt => Content.Length == 8 + Signatures.Size ? BinaryPrimitives.ReadUInt64BigEndian(Content.Span) : 0;

    /// <summary>Parses one line, without its newline.</summary>
    public static bool TryParse(string line, out NoteSignature? signature)
    {
        var parts = line.Split(' ');
        signature = parts.Length == 3 && parts[0] == "—" && NoteKey.IsName(parts[1]) && SignedNote.TryBase64(parts[2], null, out var bytes) && bytes.Length >= 5
            ? new NoteSignature(parts[1], BinaryPrimitives.ReadUInt32BigEndian(bytes), bytes.AsMemory(4))
            : null;
        return signature is not null;
    }

    /// <summary>The line, with its newline.</summary>
    public override string ToString()
    {
        var bytes = new byte[4 + Content.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, KeyId);
        Content.CopyTo(bytes.AsMemory(4));
        return $"— {Name} {Convert.ToBase64String(bytes)}\n";
    }
}

/// <summary>A text and the signatures on it (C2SP signed-note). Lines by unknown keys are kept and ignored.</summary>
public sealed class SignedNote
{
    /// <summary>Signature lines read from one note (C2SP asks for at least 16).</summary>
    public const int MaxSignatures = 100;

    private const int MaxCharacters = 64 * 1024;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A note; the text ends with a newline.</summary>
    public SignedNote(string text, IReadOnlyList<NoteSignature> signatures)
    {
        Text = text;
        Signatures = signatures;
    }

    /// <summary>What is signed: lines, each with its newline.</summary>
    public string Text { get; }

    /// <summary>The signature lines, in order.</summary>
    public IReadOnlyList<NoteSignature> Signatures { get; }

    /// <summary>Parses a note from its text.</summary>
    public static bool TryParse(string content, out SignedNote? note)
    {
        note = null;
        if (content.Length > MaxCharacters || content.Any(c => c < ' ' && c != '\n') || !IsUnicode(content)) return false;
        var split = content.LastIndexOf("\n\n", StringComparison.Ordinal);
        if (split <= 0 || !content.EndsWith('\n')) return false;
        var lines = content[(split + 2)..].Split('\n');
        if (lines.Length - 1 is < 1 or > MaxSignatures) return false;
        var signatures = new List<NoteSignature>();
        foreach (var line in lines[..^1])
        {
            if (!NoteSignature.TryParse(line, out var signature)) return false;
            signatures.Add(signature!);
        }

        note = new SignedNote(content[..(split + 1)], signatures);
        return true;
    }

    /// <summary>The bytes that a log line signs.</summary>
    public static byte[] LogMessage(string text) => Utf8.GetBytes(text);

    /// <summary>The bytes that a cosignature signs: "cosignature/v1\ntime T\n" and the text, T in seconds since 1970.</summary>
    public static byte[] CosignatureMessage(string text, ulong timeSeconds) => Utf8.GetBytes($"cosignature/v1\ntime {timeSeconds}\n{text}");

    /// <summary>A cosignature line from its signature (64 bytes).</summary>
    public static NoteSignature Cosignature(NoteKey key, ulong timeSeconds, ReadOnlySpan<byte> signature)
    {
        var content = new byte[8 + signature.Length];
        BinaryPrimitives.WriteUInt64BigEndian(content, timeSeconds);
        signature.CopyTo(content.AsSpan(8));
        return new NoteSignature(key.Name, key.Id, content);
    }

    /// <summary>Whether any line is a good signature by <paramref name="key"/>.</summary>
    public bool IsSignedBy(NoteKey key)
    {
        foreach (var signature in Signatures)
        {
            if (signature.KeyId == key.Id && signature.Name == key.Name && Verify(Text, key, signature)) return true;
        }

        return false;
    }

    /// <summary>Whether the line is a good signature on the text.</summary>
    public static bool Verify(string text, NoteKey key, NoteSignature signature)
    {
        if (key.Kind is NoteKeyKind.Log) return Protocol.Signatures.Verify(key.Key, LogMessage(text), signature.Content.Span);
        if (signature.Content.Length != 8 + Protocol.Signatures.Size) return false;
        var time = BinaryPrimitives.ReadUInt64BigEndian(signature.Content.Span);
        return time <= long.MaxValue && Protocol.Signatures.Verify(key.Key, CosignatureMessage(text, time), signature.Content.Span[8..]);
    }

    /// <summary>The note.</summary>
    public override string ToString() => $"{Text}\n{string.Concat(Signatures)}";

    // Half a surrogate pair has no UTF-8 form, so nobody can have signed it.
    private static bool IsUnicode(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(text, out _, out var length) is not System.Buffers.OperationStatus.Done) return false;
            text = text[length..];
        }

        return true;
    }

    // Standard base64 with padding (RFC 4648 §4), in its one spelling: no white space, no stray bits.
    internal static bool TryBase64(string text, int? length, out byte[] bytes)
    {
        bytes = [];
        var buffer = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, buffer, out var written) || length is not null && written != length) return false;
        bytes = buffer[..written];
        return Convert.ToBase64String(bytes) == text;
    }
}
