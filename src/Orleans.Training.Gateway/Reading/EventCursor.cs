using System.Buffers.Binary;
using System.Buffers.Text;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway.Reading;

/// <summary>A place between two events: behind the event at a position of the leaf at an index. Bound to its shard, so that it cannot be used on another.</summary>
internal readonly record struct EventCursor(long Index, int Position)
{
    private const int Size = 16;

    /// <summary>Before the first event there is.</summary>
    public static EventCursor Beginning { get; } = new(-1, int.MaxValue);

    /// <summary>Behind every event of the leaf at an index.</summary>
    public static EventCursor Behind(long index) => new(index, int.MaxValue);

    public string Write(Identifier shard)
    {
        Span<byte> bytes = stackalloc byte[Size];
        shard.ToArray().AsSpan(0, 4).CopyTo(bytes);
        BinaryPrimitives.WriteInt64BigEndian(bytes[4..], Index);
        BinaryPrimitives.WriteInt32BigEndian(bytes[12..], Position);
        return Base64Url.EncodeToString(bytes);
    }

    public static bool TryParse(string text, Identifier shard, out EventCursor cursor)
    {
        cursor = default;
        if (text.Length > GatewayLimits.IdCharacters || !GlobalId.TryDecode(text, out var bytes) || bytes.Length != Size || !bytes.AsSpan(0, 4).SequenceEqual(shard.ToArray().AsSpan(0, 4))) return false;
        cursor = new EventCursor(BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(4)), BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(12)));
        return cursor is { Index: >= -1 and < long.MaxValue - GatewayLimits.Page, Position: >= 0 };
    }

    public bool IsBefore(long index, int position) => Index < index || Index == index && Position < position;
}
