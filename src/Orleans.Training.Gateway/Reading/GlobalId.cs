using System.Buffers.Binary;
using System.Buffers.Text;
using System.Text;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway.Reading;

/// <summary>Ids as clients see them: a prefix that names the kind, and the shard with what names the thing there. Every thing has exactly one.</summary>
internal readonly record struct GlobalId(string Prefix, Identifier Shard, ReadOnlyMemory<byte> Name)
{
    public const string Federation = "fed", Participant = "org", Dataset = "dat", Agreement = "agr", Run = "run", Round = "rnd", Model = "mdl", Transaction = "txn", Entry = "ent", Event = "evt";

    public static string Of(string prefix, Identifier shard, params ReadOnlySpan<byte> name) => $"{prefix}_{Base64Url.EncodeToString([.. shard.ToArray(), .. name])}";

    public static string Of(string prefix, Identifier shard, string name) => Of(prefix, shard, Encoding.UTF8.GetBytes(name));

    public static string Of(string prefix, Identifier shard, Digest digest, params ReadOnlySpan<int> numbers) => Of(prefix, shard, [.. digest.ToArray(), .. Bytes(numbers)]);

    public static bool TryParse(string text, out GlobalId id)
    {
        id = default;
        var split = text.IndexOf('_', StringComparison.Ordinal);
        if (split < 0 || text.Length > GatewayLimits.IdCharacters || !TryDecode(text[(split + 1)..], out var bytes) || bytes.Length < Identifier.Size) return false;
        id = new GlobalId(text[..split], Identifier.From(bytes.AsSpan(0, Identifier.Size)), bytes.AsMemory(Identifier.Size));
        return true;
    }

    /// <summary>The name as text.</summary>
    public string Text => Encoding.UTF8.GetString(Name.Span);

    /// <summary>The name as a digest and this many numbers; false when it has another form.</summary>
    public bool TryDigest(int count, out Digest digest, out int[] numbers)
    {
        var good = Name.Length == Digest.Size + 4 * count;
        digest = good ? Digest.From(Name.Span[..Digest.Size]) : default;
        numbers = new int[count];
        for (var i = 0; good && i < count; i++) numbers[i] = BinaryPrimitives.ReadInt32BigEndian(Name.Span[(Digest.Size + 4 * i)..]);
        return good;
    }

    /// <summary>The name as an index of the ledger.</summary>
    public bool TryIndex(out long index)
    {
        var good = Name.Length == sizeof(long);
        index = good ? BinaryPrimitives.ReadInt64BigEndian(Name.Span) : -1;
        return good;
    }

    // Base64url in its one spelling.
    internal static bool TryDecode(string text, out byte[] bytes)
    {
        bytes = new byte[text.Length];
        if (!Base64Url.TryDecodeFromChars(text, bytes, out var written)) return false;
        bytes = bytes[..written];
        return Base64Url.EncodeToString(bytes) == text;
    }

    private static byte[] Bytes(ReadOnlySpan<int> numbers)
    {
        var bytes = new byte[4 * numbers.Length];
        for (var i = 0; i < numbers.Length; i++) BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4 * i), numbers[i]);
        return bytes;
    }
}
