namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Remembers what every seat has signed in the last views, final or not, and shows two votes of one seat that contradict each other: one <see cref="EvidenceFound"/> for a seat and era. It changes
/// nothing else: safety never rests on it.
/// </summary>
internal sealed class VoteWatch(ConsensusSetup setup, StepEffects effects)
{
    private const int Kinds = 3;
    // By view: a vote of each seat and kind.
    private readonly SortedDictionary<ulong, SignedVote?[]> _seen = [];
    private readonly bool[] _named = new bool[setup.Validators.Count];

    /// <summary>Takes a verified vote.</summary>
    public void See(SignedVote vote)
    {
        var (seat, view) = (vote.Seat, vote.Vote.View);
        if (_named[seat]) return;
        if (Contradicted(vote) is { } other)
        {
            _named[seat] = true;
            if (setup.Validators.Seats[seat].VoteKey is { } key) effects.Emit(new EvidenceFound(seat, new Evidence(setup.Chain, setup.Shard, key, other, vote)));
            return;
        }

        if (!_seen.TryGetValue(view, out var votes))
        {
            if (_seen.Count >= Limits.FutureViews && view < _seen.Keys.First()) return;
            _seen.Add(view, votes = new SignedVote?[Kinds * setup.Validators.Count]);
            // Twice the window, so that views ahead do not drive out the present ones.
            if (_seen.Count > 2 * Limits.FutureViews) _seen.Remove(_seen.Keys.First());
        }

        // Its own copy of the signature: the message around it may be large.
        votes[Kinds * seat + (int)vote.Vote.Kind - 1] ??= vote with { Signature = vote.Signature.ToArray() };
    }

    /// <summary>Whether a vote, verified or not, contradicts what its seat has signed: then it is worth verifying.</summary>
    public bool IsSuspicious(SignedVote vote) => vote.Vote.Era == setup.Era && vote.Seat < _named.Length && !_named[vote.Seat] && Contradicted(vote) is not null;

    private SignedVote? Contradicted(SignedVote vote)
    {
        if (!_seen.TryGetValue(vote.Vote.View, out var votes)) return null;
        for (var kind = 0; kind < Kinds; kind++)
        {
            if (votes[Kinds * vote.Seat + kind] is { } other && Evidence.FaultOf(other.Vote, vote.Vote) is not FaultKind.None) return other;
        }

        return null;
    }
}
