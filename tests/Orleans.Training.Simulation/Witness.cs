using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>An invariant does not hold.</summary>
internal sealed class InvariantException(string text) : Exception(text);

/// <summary>Sees everything, trusts nobody: checks the invariants after each thing that honest validators sign, certify or commit.</summary>
internal sealed class Witness
{
    public Witness(ExecutedBlock genesis, ValidatorSet validators, IStateMachine machine) => (_eras[validators.Era], Era, _tip, _machine) = ((validators, genesis), validators.Era, genesis, machine);

    private readonly Dictionary<(int Node, VoteKind Kind, ulong Era, ulong View), Vote> _signatures = [];
    private readonly Dictionary<(ulong Era, ulong View), Digest> _notarized = [];
    private readonly HashSet<(ulong Era, ulong View)> _nullified = [];
    private readonly HashSet<(ulong Era, ulong View)> _finalized = [];
    private readonly Dictionary<ulong, (ValidatorSet Set, ExecutedBlock Root)> _eras = [];
    private readonly List<Block> _chain = [];
    private readonly IStateMachine _machine;
    private ExecutedBlock _tip;
    private readonly HashSet<(ParticipantId, Identifier)> _committed = [];

    /// <summary>Is told of each block that nobody had committed before, with the state after it.</summary>
    public Action<ExecutedBlock>? Grown { get; init; }

    /// <summary>Final blocks from height 1.</summary>
    public IReadOnlyList<Block> Chain => _chain;

    public bool IsCommitted(Transaction transaction) => _committed.Contains((transaction.Payload.Actor, transaction.Payload.Id));

    public int CommittedTransactions => _committed.Count;

    /// <summary>The era of the next final block.</summary>
    public ulong Era { get; private set; }

    /// <summary>The validators of an era that a final block has begun, and the block that it stands on; null for any other.</summary>
    public (ValidatorSet Set, ExecutedBlock Root)? Find(ulong era) => _eras.TryGetValue(era, out var found) ? found : null;

    /// <summary>I4: the votes that an honest key ever signs do not contradict each other, across crashes and activations; and only a member with a key signs, in an era that has begun.</summary>
    public void Signed(int node, int seat, Vote vote)
    {
        if (Find(vote.Era) is not var (set, _) || !set.CanVote(seat)) throw new InvariantException($"I13: node {node} signs in era {vote.Era}, which no final block has begun for it");
        var key = (node, vote.Kind, vote.Era, vote.View);
        if (!_signatures.TryAdd(key, vote) && _signatures[key] != vote) throw new InvariantException($"I4: node {node} signed two {vote.Kind} votes in view {vote.View} of era {vote.Era}");
        var other = vote.Kind switch { VoteKind.Nullify => VoteKind.Finalize, VoteKind.Finalize => VoteKind.Nullify, _ => vote.Kind };
        if (other != vote.Kind && _signatures.ContainsKey((node, other, vote.Era, vote.View))) throw new InvariantException($"I4: node {node} signed both Nullify and Finalize in view {vote.View} of era {vote.Era}");
    }

    /// <summary>I2 and I3: one notarized block per view, and never a finalization beside a nullification. I13: each by the quorum of its own era.</summary>
    public void Certified(Certificate certificate)
    {
        if (Find(certificate.Vote.Era) is var (set, _) && (certificate.Vote.Era > 1 && certificate.Count < set.Quorum || certificate.Signers >> set.Count != 0)) throw new InvariantException($"I13: {certificate.Count} seats of {set.Count} certify view {certificate.View} of era {set.Era}");
        var view = (certificate.Vote.Era, certificate.View);
        if (certificate.Kind is VoteKind.Nullify) _nullified.Add(view);
        else if (!_notarized.TryAdd(view, certificate.Digest) && _notarized[view] != certificate.Digest) throw new InvariantException($"I2: two blocks certified in view {view}");
        if (certificate.Kind is VoteKind.Finalize) _finalized.Add(view);
        if (_nullified.Contains(view) && _finalized.Contains(view)) throw new InvariantException($"I3: view {view} is both final and null");
    }

    /// <summary>I1, I5, I6, I7, I15, I16: one chain, gapless, what execution gives, every transaction once, the same bytes, time strictly rising and not ahead of honest clocks.</summary>
    public void Committed(int seat, ExecutedBlock executed, Certificate final, long highestHonestClockMs)
    {
        var block = executed.Block;
        var height = (int)block.Header.Height;
        if (height <= _chain.Count)
        {
            if (_chain[height - 1].Digest != block.Digest) throw new InvariantException($"I1: seat {seat} commits another block at height {height}");
            if (!ReferenceEquals(_chain[height - 1], block) && !_chain[height - 1].Encode().AsSpan().SequenceEqual(block.Encode())) throw new InvariantException($"I15: seat {seat} holds other bytes of height {height}");
            return;
        }

        if (height != _chain.Count + 1) throw new InvariantException($"I5: seat {seat} commits height {height} after {_chain.Count}");
        _tip = _machine.Execute(_tip, block) ?? throw new InvariantException($"I6: height {height} is not what its execution gives");
        if (height > 1 && block.Header.TimeMs <= _chain[^1].Header.TimeMs) throw new InvariantException($"I16: time does not rise at height {height}");
        if (block.Header.TimeMs > highestHonestClockMs + Limits.ClockLeadMs) throw new InvariantException($"I16: height {height} is dated ahead of every honest clock");
        // I13: every block is of the era that the last final sealing block began, and is finalized by that era's validators; so is the block that ends it.
        var (set, _) = _eras[Era];
        if (block.Header.Era != Era || block.Header.Validators != set.Digest) throw new InvariantException($"I13: height {height} is of era {block.Header.Era}, not {Era}");
        if (final.Kind is not VoteKind.Finalize || final.Vote.Era != Era || (block.IsSealing && final.Digest != block.Digest)) throw new InvariantException($"I13: height {height} is not finalized in its era");
        if (executed.Seals is { } next)
        {
            if (block.Header.NextValidators != next.Digest || next.Era != Era + 1) throw new InvariantException($"I13: height {height} does not name the set that it begins");
            _eras[++Era] = (next, executed);
        }

        _chain.Add(block);
        Grown?.Invoke(_tip);
        foreach (var bytes in block.Transactions)
        {
            _ = Transaction.TryParse(bytes, out var transaction);
            if (!_committed.Add((transaction!.Payload.Actor, transaction.Payload.Id))) throw new InvariantException($"I7: a transaction commits twice, at height {height}");
        }
    }
}
