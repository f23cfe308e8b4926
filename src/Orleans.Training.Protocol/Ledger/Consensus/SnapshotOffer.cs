using System.Formats.Cbor;
using System.Text;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>Asks for the way to a state that a quorum has attested; the host answers, not the core.</summary>
/// <param name="Era">The era whose validators the sender believes in.</param>
/// <param name="Above">The sender's final height: an older snapshot is of no use to it.</param>
public sealed record GetSnapshot(ulong Era, ulong Above) : ConsensusMessage
{
    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteUInt32(11);
        writer.WriteUInt64(Era);
        writer.WriteUInt64(Above);
        writer.WriteEndArray();
    }
}

/// <summary>
/// Proof that a quorum of a ledger's present validators has attested a snapshot (docs/spec/snapshot.md §3): how eras followed each other up to the present one, the receipt of the attestation that made the quorum, and that
/// entry's events. Whoever believes in the validators of one of these eras needs nothing else but the snapshot's bytes, which its name vouches for.
/// </summary>
/// <param name="Links">In the order of eras, the last one to the present era.</param>
/// <param name="Receipt">The receipt, at most 64 KiB of UTF-8.</param>
/// <param name="Events">The events whose digest stands in the receipt's leaf.</param>
public sealed record SnapshotOffer(IReadOnlyList<EraLink> Links, ReadOnlyMemory<byte> Receipt, IReadOnlyList<LedgerEvent> Events) : ConsensusMessage
{
    /// <summary>Links at most: more eras than these cannot be crossed at once.</summary>
    public const int MaximumEras = 1024;

    private const int MaximumReceipt = 64 * 1024;
    private const int MaximumEvents = 16;

    /// <summary>There is none that would help.</summary>
    public static SnapshotOffer None { get; } = new([], default, []);

    /// <summary>The snapshot that the entry's events are about; null when there is none among them.</summary>
    public SnapshotRecord? Snapshot => Events.Select(item => item is { Type: SnapshotRecord.AttestedEvent, Key: SnapshotRecord.Attested } ? item.Record as SnapshotRecord : null).OfType<SnapshotRecord>().FirstOrDefault();

    /// <summary>The snapshot, and the leaves of the ledger before the entry that attests it, if all of this proves it to somebody who believes in a set of validators; else null.</summary>
    /// <param name="genesis">The ledger's genesis.</param>
    /// <param name="trusted">The validators of the era that the first link ends, or of the present one when there are no links.</param>
    public (SnapshotRecord Snapshot, long Leaves)? Verify(Genesis genesis, ValidatorSet trusted)
    {
        if (Snapshot is not { } snapshot || EraLink.Follow(trusted, genesis.Chain, genesis.Shard, Links) is not { } present) return null;
        if (!Ledger.Receipt.TryParse(Encoding.UTF8.GetString(Receipt.Span), out var receipt) || receipt!.Verify(TrustPolicy.Of(genesis.Origin, present)) is not ReceiptCheck.Good) return null;
        return Leaf.TryParse(receipt.Leaf, out var leaf) && leaf is Entry entry && entry.EventsDigest == LedgerEvent.DigestOf(Events) ? (snapshot, receipt.Index) : null;
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.WriteUInt32(12);
        writer.WriteStartArray(Links.Count);
        foreach (var link in Links) link.Write(writer);
        writer.WriteEndArray();
        writer.WriteByteString(Receipt.Span);
        writer.WriteStartArray(Events.Count);
        foreach (var item in Events) item.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndArray();
    }

    internal static SnapshotOffer ReadFields(CborReader reader) => new(reader.ReadArray(MaximumEras, EraLink.Read), reader.ReadBytes(MaximumReceipt), reader.ReadArray(MaximumEvents, LedgerEvent.Read));
}
