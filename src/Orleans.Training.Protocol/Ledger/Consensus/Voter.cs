namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// The only way to a signature: every vote passes the guard, and the guard is written with it. Nothing is signed until a quorum (with this
/// seat) has shown the highest votes that it holds of this key, so that a guard restored from a copy is noticed first.
/// </summary>
internal sealed class Voter(ConsensusSetup setup, StepEffects effects)
{
    private readonly Vote?[] _last = new Vote?[3];
    private readonly SignedVote?[] _signed = new SignedVote?[3];
    private readonly bool[] _restored = new bool[3];
    private uint _heardFrom;
    private bool _resumed;

    public VoteGuard Guard { get; private set; } = VoteGuard.Empty(setup.Era);

    public bool Stopped { get; private set; }

    /// <summary>Whether this seat may vote now: it has a key, the guard was not lost, and enough peers have been heard.</summary>
    public bool MayVote => !Stopped && IsReady && IsMember;

    private bool IsMember => setup.Validators.CanVote(setup.Seat);

    /// <summary>Whether enough peers have shown what they hold of this key.</summary>
    public bool IsReady => System.Numerics.BitOperations.PopCount(_heardFrom) >= setup.Quorum - 1;

    public void Stop() => Stopped = true;

    /// <summary>A peer of this era has shown what it holds of this key.</summary>
    public void HeardFrom(int seat, IReadOnlyList<SignedVote> ownVotes)
    {
        foreach (var vote in ownVotes) Seen(vote);
        if (seat != setup.Seat && seat < setup.Validators.Count) _heardFrom |= 1u << seat;
    }

    /// <summary>Whether the guard would admit a vote now.</summary>
    public bool Admits(Vote vote) => MayVote && Guard.TryAdmit(vote, PreimageDigest(vote), setup.Rules, out _);

    /// <summary>Asks for a signature, with guard and vote written first; false when the guard refuses.</summary>
    public bool TryVote(Vote vote)
    {
        if (!MayVote || !Guard.TryAdmit(vote, PreimageDigest(vote), setup.Rules, out var next)) return false;
        Guard = next;
        Keep(vote, restored: false);
        effects.Write(JournalRecordKind.Vote, vote.Encode());
        effects.Write(JournalRecordKind.Guard, next.Encode());
        effects.Emit(new SignVote(vote));
        return true;
    }

    /// <summary>After a restart: asks once more for the signatures on the stored votes, which the guard admits as the same bytes.</summary>
    public void Resume()
    {
        if (_resumed || !MayVote) return;
        _resumed = true;
        for (var i = 0; i < _last.Length; i++)
        {
            if (_restored[i] && _last[i] is { } vote && Guard.TryAdmit(vote, PreimageDigest(vote), out var next) && next == Guard) effects.Emit(new SignVote(vote));
        }
    }

    /// <summary>Takes a signature back from the host; says whether the vote may be counted.</summary>
    public bool Signed(SignedVote signed)
    {
        var i = (int)signed.Vote.Kind - 1;
        if (_last[i] != signed.Vote) return true;
        _signed[i] = signed;
        return !_restored[i] || setup.Rules.CountRestoredVotes;
    }

    /// <summary>The latest own vote of each kind, for sending again.</summary>
    public IEnumerable<SignedVote> LatestSigned() => _signed.Where(vote => vote is not null).Select(vote => vote!);

    /// <summary>A peer shows a vote of this key: if the guard does not know it, the key must not vote again.</summary>
    public void Seen(SignedVote vote)
    {
        if (Stopped || !IsMember || !setup.Rules.DetectLostGuard || Guard.Covers(vote.Vote, PreimageDigest(vote.Vote))) return;
        Stop();
        effects.Emit(new GuardLost(vote));
        effects.Emit(new RaiseAlarm($"The vote key of seat {setup.Seat} signed {vote.Vote.Kind} for view {vote.Vote.View}, which the guard does not remember: the guard was lost, restored or copied."));
    }

    /// <summary>Replays a guard record; one of an era that is over says nothing about this one.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or of an era that has not begun.</exception>
    public void RestoreGuard(ReadOnlySpan<byte> record)
    {
        if (!VoteGuard.TryDecode(record, out var guard) || guard!.Era > setup.Era) throw new InvalidDataException("The journal's vote guard is damaged or belongs to an era whose beginning the journal does not hold: this key must not vote again.");
        if (guard.Era == setup.Era) Guard = guard;
    }

    /// <summary>Replays a vote record.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public void RestoreVote(ReadOnlyMemory<byte> record)
    {
        if (!Vote.TryParse(record, out var vote)) throw new InvalidDataException("A vote in the journal is damaged.");
        if (vote.Era == setup.Era) Keep(vote, restored: true);
    }

    private void Keep(Vote vote, bool restored)
    {
        var i = (int)vote.Kind - 1;
        _last[i] = vote;
        _restored[i] = restored;
        _signed[i] = null;
    }

    private Digest PreimageDigest(Vote vote) => vote.PreimageDigest(setup.Chain, setup.Shard);
}
