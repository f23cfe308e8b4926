using System.Text;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>What is decided when somebody joins at a snapshot (docs/spec/consensus.md §8.1), without clock, disk or network: hosts and the simulator decide by it.</summary>
internal static class SnapshotJoining
{
    /// <summary>Blocks that somebody must be behind before he asks for a snapshot.</summary>
    public const ulong FarBehind = 32;

    /// <summary>Whether a message says that its sender is so far ahead of a height that a snapshot is worth asking for. Who hears that its era is over is not told how far the others are.</summary>
    public static bool IsFarAhead(ConsensusMessage message, ulong height, ulong blocks = FarBehind) => message is EraProof || (message is StatusMessage status && status.FinalHeight > height + blocks);

    /// <summary>The way to the newest attested snapshot for somebody who believes in the validators of an era; null when there is none above a height, or it cannot be shown.</summary>
    /// <param name="ask">What was asked.</param>
    /// <param name="chain">The final blocks.</param>
    /// <param name="newest">The newest checkpoint with a quorum's cosignatures.</param>
    /// <param name="past">How the eras so far ended.</param>
    /// <param name="isHere">Whether the snapshot of this name can be had here.</param>
    public static SnapshotOffer? Offer(GetSnapshot ask, CommittedChain chain, SignedNote? newest, IReadOnlyList<EraLink> past, Func<Digest, bool> isHere)
    {
        if (LedgerState.Of(chain.Head).Contracts.Find<SnapshotRecord>(SnapshotRecord.Attested) is not { } attested || attested.Height <= ask.Above || !isHere(attested.Name) || (long)attested.At < chain.First) return null;
        var block = chain[(long)attested.At];
        for (var position = 0; position < block.Leaves.Count; position++)
        {
            if (!block.Events[position].Any(item => item.Record is SnapshotRecord record && record == attested)) continue;
            if (newest is null || chain.Receipt(block.FirstIndex + position, newest) is not { } receipt) return null;
            EraLink[] links = [.. past.Where(link => link.Era >= ask.Era)];
            return links.Length > SnapshotOffer.MaximumEras ? null : new SnapshotOffer(links, Encoding.UTF8.GetBytes(receipt.ToString()), block.Events[position]);
        }

        return null;
    }

    /// <summary>The snapshot to fetch; null for an offer that proves nothing to whoever believes in these validators, or is not worth it: executing what lies between may cost less.</summary>
    public static SnapshotRecord? Consider(SnapshotOffer offer, Genesis genesis, ValidatorSet trusted, ExecutedBlock head, long interval) =>
        offer.Verify(genesis, trusted) is var (snapshot, leaves) && snapshot.Height > head.Block.Header.Height && leaves - LedgerState.Of(head).Tree.Size >= 2 * interval ? snapshot : null;

    /// <summary>The state that these bytes are; null unless they are the snapshot that was attested.</summary>
    public static ExecutedBlock? Read(ReadOnlyMemory<byte> content, SnapshotRecord snapshot) =>
        ChunkedBlob.Root(content.Span) == snapshot.Name && Snapshot.TryRead(content, out var executed) && executed!.Block.Digest == snapshot.Block ? executed : null;

    /// <summary>The setup of one who goes on from there, with the eras that were over at the block: the offer's links go on to the era that attested it.</summary>
    public static ConsensusSetup SetupAt(ConsensusSetup setup, ExecutedBlock executed, SnapshotOffer offer, Func<ValidatorSet, int> seatIn)
    {
        var validators = LedgerState.Of(executed).Validators;
        return setup with { Genesis = executed, Validators = validators, Seat = seatIn(validators), Past = [.. offer.Links.Where(link => link.Era < validators.Era)] };
    }
}
