using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>An invariant does not hold.</summary>
internal sealed class InvariantException(string text) : Exception(text);

/// <summary>Sees everything, trusts nobody: checks the invariants after each thing that honest validators sign, certify or commit.</summary>
internal sealed class Witness
{
    private readonly Dictionary<(int Seat, VoteKind Kind, ulong View), Vote> _signatures = [];
    private readonly Dictionary<ulong, Digest> _notarized = [];
    private readonly HashSet<ulong> _nullified = [];
    private readonly HashSet<ulong> _finalized = [];
    private readonly List<Block> _chain = [];
    private readonly HashSet<(ParticipantId, Identifier)> _committed = [];

    /// <summary>Final blocks from height 1.</summary>
    public IReadOnlyList<Block> Chain => _chain;

    public bool IsCommitted(Transaction transaction) => _committed.Contains((transaction.Payload.Actor, transaction.Payload.Id));

    public int CommittedTransactions => _committed.Count;

    /// <summary>I4: the votes that an honest key ever signs do not contradict each other, across crashes and activations.</summary>
    public void Signed(int seat, Vote vote)
    {
        if (!_signatures.TryAdd((seat, vote.Kind, vote.View), vote) && _signatures[(seat, vote.Kind, vote.View)] != vote) throw new InvariantException($"I4: seat {seat} signed two {vote.Kind} votes in view {vote.View}");
        var other = vote.Kind switch { VoteKind.Nullify => VoteKind.Finalize, VoteKind.Finalize => VoteKind.Nullify, _ => vote.Kind };
        if (other != vote.Kind && _signatures.ContainsKey((seat, other, vote.View))) throw new InvariantException($"I4: seat {seat} signed both Nullify and Finalize in view {vote.View}");
    }

    /// <summary>I2 and I3: one notarized block per view, and never a finalization beside a nullification.</summary>
    public void Certified(Certificate certificate)
    {
        var view = certificate.View;
        if (certificate.Kind is VoteKind.Nullify) _nullified.Add(view);
        else if (!_notarized.TryAdd(view, certificate.Digest) && _notarized[view] != certificate.Digest) throw new InvariantException($"I2: two blocks certified in view {view}");
        if (certificate.Kind is VoteKind.Finalize) _finalized.Add(view);
        if (_nullified.Contains(view) && _finalized.Contains(view)) throw new InvariantException($"I3: view {view} is both final and null");
    }

    /// <summary>I1, I5, I7, I15, I16: one chain, gapless, every transaction once, the same bytes, time strictly rising and not ahead of honest clocks.</summary>
    public void Committed(int seat, Block block, long highestHonestClockMs)
    {
        var height = (int)block.Header.Height;
        if (height <= _chain.Count)
        {
            if (_chain[height - 1].Digest != block.Digest) throw new InvariantException($"I1: seat {seat} commits another block at height {height}");
            if (!ReferenceEquals(_chain[height - 1], block) && !_chain[height - 1].Encode().AsSpan().SequenceEqual(block.Encode())) throw new InvariantException($"I15: seat {seat} holds other bytes of height {height}");
            return;
        }

        if (height != _chain.Count + 1) throw new InvariantException($"I5: seat {seat} commits height {height} after {_chain.Count}");
        if (height > 1 && block.Header.TimeMs <= _chain[^1].Header.TimeMs) throw new InvariantException($"I16: time does not rise at height {height}");
        if (block.Header.TimeMs > highestHonestClockMs + Limits.ClockLeadMs) throw new InvariantException($"I16: height {height} is dated ahead of every honest clock");
        _chain.Add(block);
        foreach (var bytes in block.Transactions)
        {
            _ = Transaction.TryParse(bytes, out var transaction);
            if (!_committed.Add((transaction!.Payload.Actor, transaction.Payload.Id))) throw new InvariantException($"I7: a transaction commits twice, at height {height}");
        }
    }
}
