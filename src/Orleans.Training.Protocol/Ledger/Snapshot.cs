using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Formats.Cbor;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// The state after a final block as bytes (docs/spec/snapshot.md): whoever has them goes on from there without what came before. A pure function of the chain, so that every validator
/// writes the same bytes, and their name as a blob says which state is meant. Of a block that seals its era there is none.
/// </summary>
public static class Snapshot
{
    /// <summary>Leaves from one snapshot to the next, as long as the state is small.</summary>
    public const int Interval = 8192;

    // The larger the state, the longer a snapshot takes, and the more may be left to execute.
    private const int RecordsOfALeaf = 16;

    private const int PartBytes = 256 * 1024;
    private const int PartItems = 4096;
    private const int MaximumPart = 8 * 1024 * 1024;
    private const int LengthBytes = 4;

    /// <summary>
    /// Whether a snapshot is due after a block: its leaves have crossed a multiple of the interval, which is doubled until the state has at most 16 records for each of its leaves. All who use the same interval take them at the same blocks.
    /// </summary>
    public static bool IsDue(ExecutedBlock executed, long interval = Interval)
    {
        var state = LedgerState.Of(executed);
        while (interval * RecordsOfALeaf < state.Contracts.Records.Count) interval *= 2;
        return !executed.Block.IsSealing && state.FirstIndex / interval < state.Tree.Size / interval;
    }

    /// <summary>The bytes, in parts: each is the length of a CBOR item (4 bytes, big-endian) and that item.</summary>
    /// <exception cref="ArgumentException">The block seals its era.</exception>
    public static IEnumerable<byte[]> Write(ExecutedBlock executed)
    {
        if (executed.Block.IsSealing) throw new ArgumentException("A block that seals its era has no snapshot.", nameof(executed));
        return Parts(executed.Block, LedgerState.Of(executed));
    }

    /// <summary>Reads what <see cref="Write"/> wrote: the block with the state after it, which is without the block's own leaves and events. Of the content nothing but the tree is checked against the block; the blob's name vouches for the rest.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> bytes, out ExecutedBlock? executed)
    {
        executed = null;
        if (!TryPart(ref bytes, ReadHead, out var head) || head.Tree.Size != head.Block.Header.TreeSize || head.Tree.Root != head.Block.Header.TreeRoot || head.Block.IsSealing) return false;
        var recent = ImmutableDictionary.CreateBuilder<TransactionKey, CommittedTransaction>();
        var byExpiry = ImmutableSortedSet.CreateBuilder<(long NotAfterMs, ParticipantId Actor, Identifier Id)>();
        var deadlines = ImmutableSortedSet.CreateBuilder<Deadline>();
        var records = new List<KeyValuePair<string, StateRecord>>();
        var whole = TryItems(ref bytes, head.Recent, ReadRecent, item => recent.TryAdd(item.Key, item.Committed) && IsLast(byExpiry, (item.Committed.NotAfterMs, item.Key.Actor, item.Key.Id)))
            && TryItems(ref bytes, head.Deadlines, ReadDeadline, item => IsLast(deadlines, item))
            && TryItems(ref bytes, head.Records, ReadRecord, item =>
            {
                if (records.Count > 0 && string.CompareOrdinal(records[^1].Key, item.Key) >= 0) return false;
                records.Add(item);
                return true;
            });
        if (!whole || !bytes.IsEmpty) return false;
        var contracts = ContractState.Empty.With(records, deadlines.ToImmutable());
        if (contracts.Find<EraRecord>(EraRecord.Key) is not { } era || contracts.Find<ValidatorsRecord>(ValidatorsRecord.Key(era.Era)) is null) return false;
        executed = new ExecutedBlock(head.Block, new LedgerState(head.Tree, contracts, recent.ToImmutable(), byExpiry.ToImmutable(), [], []), contracts.NextDeadlineMs, null);
        return true;
    }

    private sealed record Head(Block Block, MerkleFrontier Tree, int Recent, int Deadlines, int Records);

    private static IEnumerable<byte[]> Parts(Block block, LedgerState state)
    {
        yield return Part(writer =>
        {
            writer.WriteStartArray(6);
            writer.WriteUInt32(1);
            writer.WriteByteString(block.Encode());
            writer.WriteStartArray(state.Tree.Subtrees.Count);
            foreach (var subtree in state.Tree.Subtrees) writer.Write(subtree);
            writer.WriteEndArray();
            writer.WriteInt32(state.RecentByExpiry.Count);
            writer.WriteInt32(state.Contracts.Deadlines.Count);
            writer.WriteInt32(state.Contracts.Records.Count);
            writer.WriteEndArray();
        });
        foreach (var part in Parts(state.RecentByExpiry, (writer, item) =>
        {
            var committed = state.Recent[new TransactionKey(item.Actor, item.Id)];
            writer.WriteStartArray(5);
            writer.WriteInt64(item.NotAfterMs);
            writer.Write(item.Actor);
            writer.Write(item.Id);
            writer.Write(committed.Digest);
            writer.WriteInt64(committed.Index);
            writer.WriteEndArray();
        })) yield return part;
        foreach (var part in Parts(state.Contracts.Deadlines, (writer, deadline) =>
        {
            writer.WriteStartArray(2);
            writer.WriteInt64(deadline.TimeMs);
            writer.WriteTextString(deadline.Key);
            writer.WriteEndArray();
        })) yield return part;
        foreach (var part in Parts(state.Contracts.Records, (writer, pair) =>
        {
            writer.WriteStartArray(2);
            writer.WriteTextString(pair.Key);
            pair.Value.Write(writer);
            writer.WriteEndArray();
        })) yield return part;
    }

    // A part ends with the item with which it has so many bytes or items: the same for everybody.
    private static IEnumerable<byte[]> Parts<T>(IEnumerable<T> items, Action<CborWriter, T> write)
    {
        var part = new List<byte[]>();
        var bytes = 0;
        foreach (var item in items)
        {
            part.Add(Wire.Encode(writer => write(writer, item)));
            bytes += part[^1].Length;
            if (bytes < PartBytes && part.Count < PartItems) continue;
            yield return Array(part);
            part.Clear();
            bytes = 0;
        }

        if (part.Count > 0) yield return Array(part);

        static byte[] Array(List<byte[]> encoded) => Part(writer =>
        {
            writer.WriteStartArray(encoded.Count);
            foreach (var item in encoded) writer.WriteEncodedValue(item);
            writer.WriteEndArray();
        });
    }

    private static byte[] Part(Action<CborWriter> write)
    {
        var item = Wire.Encode(write);
        var part = new byte[LengthBytes + item.Length];
        BinaryPrimitives.WriteInt32BigEndian(part, item.Length);
        item.CopyTo(part, LengthBytes);
        return part;
    }

    private static bool IsLast<T>(ImmutableSortedSet<T>.Builder set, T item) => set.Add(item) && set.KeyComparer.Compare(set.Max, item) == 0;

    // So many items, in parts as they were written; what is taken must be willing.
    private static bool TryItems<T>(ref ReadOnlyMemory<byte> bytes, int count, Func<CborReader, T> read, Func<T, bool> take)
    {
        for (var taken = 0; taken < count;)
        {
            if (!TryPart(ref bytes, ReadPart, out var part) || part.Items.Count == 0) return false;
            taken += part.Items.Count;
            if (taken > count || (taken < count && !part.IsFull) || !part.Items.TrueForAll(item => take(item))) return false;
        }

        return true;

        (List<T> Items, bool IsFull) ReadPart(CborReader reader)
        {
            var length = reader.ReadStartArray();
            Wire.Require(length is >= 0 and <= PartItems);
            var items = new List<T>(length!.Value);
            var bytesBefore = reader.BytesRemaining;
            while (items.Count < length)
            {
                Wire.Require(bytesBefore - reader.BytesRemaining < PartBytes);
                items.Add(read(reader));
            }

            var isFull = bytesBefore - reader.BytesRemaining >= PartBytes || items.Count == PartItems;
            reader.ReadEndArray();
            return (items, isFull);
        }
    }

    private static bool TryPart<T>(ref ReadOnlyMemory<byte> bytes, Func<CborReader, T> read, out T item)
    {
        item = default!;
        if (bytes.Length < LengthBytes) return false;
        var length = BinaryPrimitives.ReadInt32BigEndian(bytes.Span);
        if (length < 1 || length > bytes.Length - LengthBytes || !Wire.TryDecode(bytes.Slice(LengthBytes, length), MaximumPart, read, out item)) return false;
        bytes = bytes[(LengthBytes + length)..];
        return true;
    }

    private static Head ReadHead(CborReader reader)
    {
        reader.ReadArrayHead(6);
        reader.ReadVersion(1);
        Wire.Require(Block.TryParse(reader.ReadBytes(Limits.BlockBytes + 4096), out var block));
        var subtrees = reader.ReadArray(63, Wire.ReadDigest);
        var head = new Head(block!, MerkleFrontier.Of(block!.Header.TreeSize, subtrees)!, reader.ReadNumber(int.MaxValue), reader.ReadNumber(int.MaxValue), reader.ReadNumber(int.MaxValue));
        Wire.Require(head.Tree is not null);
        reader.ReadEndArray();
        return head;
    }

    private static (TransactionKey Key, CommittedTransaction Committed) ReadRecent(CborReader reader)
    {
        reader.ReadArrayHead(5);
        var notAfterMs = reader.ReadNumber();
        var item = (new TransactionKey(reader.ReadParticipant(), reader.ReadIdentifier()), new CommittedTransaction(reader.ReadDigest(), reader.ReadNumber(), notAfterMs));
        reader.ReadEndArray();
        return item;
    }

    private static Deadline ReadDeadline(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var deadline = new Deadline(reader.ReadNumber(), reader.ReadText(StateRecord.MaximumKey));
        reader.ReadEndArray();
        return deadline;
    }

    private static KeyValuePair<string, StateRecord> ReadRecord(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var key = reader.ReadText(StateRecord.MaximumKey);
        Wire.Require(StateRecord.TryParse(key, reader.ReadEncodedValue(), out var record));
        reader.ReadEndArray();
        return new(key, record!);
    }
}
