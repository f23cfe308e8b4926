using System.Collections.Concurrent;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Simulation;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Rounds;

/// <summary>
/// The contracts of a shard of four seats, real participants that follow it, and the blobs between them. A test says who acts when; nothing acts by itself.
/// Participants' records are kept as their journals would, and <see cref="Crash"/> starts one again from them.
/// </summary>
internal sealed class MaskedLedger
{
    public const int Window = 10_000;
    public const int Length = 11;
    public static readonly Digest Weights = Digest.Of("weights"u8);
    private static readonly ConcurrentDictionary<(int Count, bool IsTrusting), TestShard> Peopled = [];
    private readonly Dictionary<Digest, byte[]> _blobs = [];
    private (ExecutedBlock Head, MaskedAttempt Attempt)? _whole;

    public MaskedLedger(int count, ulong seed = 1, int corrupt = 0, int minimum = 3, int rounds = 1, bool activate = true, long noise = 0, GroupTerms? groups = null, bool isTrusting = false, SumCheck check = SumCheck.Recomputed, FaultBound bound = FaultBound.Corrupt330Dropped100, KeyExchange exchange = KeyExchange.X25519)
    {
        Chance = new Chance(seed);
        Names = [.. Enumerable.Range(0, count).Select(i => $"p{i:D3}")];
        Shard = Peopled.GetOrAdd((count, isTrusting), static key => People(key.Count, key.IsTrusting)).Branch();
        Follow(Plan("heart", corrupt, minimum, rounds, noise, groups, check, bound, exchange));
        if (activate) Activate(Agreement);
        if (activate && groups is not null) Draw();
    }

    public TestShard Shard { get; }
    public Chance Chance { get; }
    public string[] Names { get; }
    public TrainingAgreement Agreement { get; private set; } = null!;
    public Digest AgreementName { get; private set; }
    public SortedDictionary<int, MaskState> States { get; } = [];
    public SortedDictionary<int, List<MaskRecord>> Journals { get; } = [];
    public SortedDictionary<int, int[]> Lanes { get; } = [];
    /// <summary>Tails of those that send another one than their weight alone.</summary>
    public SortedDictionary<int, MaskTail> Tails { get; } = [];
    /// <summary>What each participant has consumed; it outlives attempts.</summary>
    public SortedDictionary<int, HashSet<Digest>> Consumed { get; } = [];
    /// <summary>Every message that a participant has said, whether or not it got through.</summary>
    public List<(int Who, MaskMessage Message, Digest Call)> Said { get; } = [];
    /// <summary>Every call that anybody has sent.</summary>
    public List<(string Actor, ContractCall Call)> Sent { get; } = [];
    public int Attempt { get; private set; }
    public long TimeMs => Shard.Head.Block.Header.TimeMs;
    public RoundRecord Round => Shard.State.Find<RoundRecord>(RoundRecord.Key(AgreementName, 1, Attempt))!;
    public RunRecord Run => Shard.State.Find<RunRecord>(RunRecord.Key(AgreementName))!;
    /// <summary>The attempt: its phase as it is, its records as they come to be.</summary>
    public MaskedAttempt Whole
    {
        get
        {
            if (_whole is { } whole && ReferenceEquals(whole.Head, Shard.Head) && whole.Attempt.Round.StateKey == RoundRecord.Key(AgreementName, 1, Attempt)) return whole.Attempt;
            _whole = (Shard.Head, new(key => Shard.State.Find<StateRecord>(key), Terms, Round));
            return _whole.Value.Attempt;
        }
    }

    /// <summary>The one group of an agreement without groups.</summary>
    public MaskedGroup Masked => Whole.Groups.Single();
    /// <summary>The agreement's record, before and after there is an attempt.</summary>
    public AgreementRecord Terms => Shard.State.Find<AgreementRecord>(AgreementRecord.Key(AgreementName))!;
    public IEnumerable<int> Everybody => Enumerable.Range(0, Names.Length);

    public TrainingAgreement Plan(string name, int corrupt = 0, int minimum = 3, int rounds = 1, long noise = 0, GroupTerms? groups = null, SumCheck check = SumCheck.Recomputed, FaultBound bound = FaultBound.Corrupt330Dropped100, KeyExchange exchange = KeyExchange.X25519) => new()
    {
        Name = name,
        ModelSpec = ModelSpec.Logistic(10).Encoded,
        Seed = Digest.Of("seed"u8),
        InitialModel = Digest.Of("initial"u8),
        Strategy = ServerStrategy.FedAvg,
        FixedPoint = FixedPoint.TryCreate(1L << 33, 1L << 33, LaneLayout.LevelsFor(16, groups?.LargestOf(Names.Length) ?? Names.Length) / (noise > 0 ? 2 : 1), groups?.LargestOf(Names.Length) ?? Names.Length, out var parameters) ? parameters : throw new InvalidDataException("no parameters"),
        Training = new TrainingTerms(50_000, 8, 3),
        Rounds = rounds,
        MinParticipants = minimum,
        InputWindowMs = Window,
        AggregateWindowMs = Window,
        Datasets = [.. Names.Select(who => new AgreedDataset(ParticipantId.Parse(who), "heart"))],
        Masks = true,
        Masking = new MaskingTerms(corrupt, Window, Window, Window, Window, Window, Window, noise, groups, check, bound, exchange),
    };

    public void Activate(TrainingAgreement agreement, bool draw = false)
    {
        Assert.Equal(Rejection.None, Shard.Send(agreement.Datasets[0].Participant.Name, new ProposeAgreement(agreement)));
        Shard.Commit(10, [.. agreement.Datasets.Select(agreed => Shard.Sign(agreed.Participant.Name, new AcceptAgreement(agreement.ComputeDigest(), Policy.Open)))]);
        if (draw) Draw(agreement.ComputeDigest());
    }

    /// <summary>Seats draw the groups of an agreement.</summary>
    public void Draw() => Draw(AgreementName);

    /// <summary>Three seats commit, and two show: for an agreement, or for ctx of an attempt.</summary>
    public void Draw(Digest subject)
    {
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, Send(seat, new CommitLot(subject, 1, DrawContract.Commit(subject, 1, TestShard.Key(seat).Public.Id, Digest.Of([(byte)seat[0]])))));
        foreach (var seat in TestShard.Hospitals.Take(2)) Assert.Equal(Rejection.None, Send(seat, new RevealLot(subject, 1, Digest.Of([(byte)seat[0]]))));
    }

    /// <summary>The positions of the bits of a number.</summary>
    public static PositionSet SetOf(ulong bits) => PositionSet.Of(Enumerable.Range(0, 64).Where(position => (bits >> position & 1) != 0));

    /// <summary>Turns to another agreement of the same participants.</summary>
    public void Follow(TrainingAgreement agreement, int attempt = 0) => (Agreement, AgreementName, Attempt) = (agreement, agreement.ComputeDigest(), attempt);

    public Rejection Send(string actor, ContractCall call)
    {
        Sent.Add((actor, call));
        return Shard.Send(actor, call);
    }

    /// <summary>Opens the next attempt, with participants that have seen nothing of it.</summary>
    public Rejection Open()
    {
        var result = Send(TestShard.Hospitals[0], new RoundOpen(AgreementName, 1, Agreement.InitialModel));
        if (result is not Rejection.None) return result;
        Attempt = Run.Attempts + 1;
        foreach (var i in Everybody)
        {
            States[i] = MaskParticipant.Begin(Setup(i));
            Journals[i] = [];
            Lanes[i] = [.. Enumerable.Range(0, (int)Agreement.UpdateLength).Select(_ => (int)Chance.Between(-Agreement.FixedPoint.Levels, Agreement.FixedPoint.Levels))];
        }

        return result;
    }

    public MaskSetup Setup(int who) => (Whole.FindGroup(who) ?? Whole.Groups[0]).SetupOf(who, Weights, (int)Agreement.UpdateLength);

    public ReadOnlyMemory<byte>? Read(Digest root) => _blobs.TryGetValue(root, out var bytes) ? bytes : (ReadOnlyMemory<byte>?)null;

    /// <summary>Everything that was stored.</summary>
    public IReadOnlyDictionary<Digest, byte[]> Blobs => _blobs;

    public void Store(ReadOnlySpan<byte> bytes) => _blobs[ChunkedBlob.Root(bytes)] = bytes.ToArray();

    /// <summary>A participant looks at the ledger and takes the step that it is told to, if any: what it says, or null.</summary>
    public MaskMessage? Step(int who)
    {
        if (who == Whole.Trusted) return null;
        var state = States[who];
        var consumed = Consumed.TryGetValue(who, out var before) ? before : Consumed[who] = [];
        MaskEvent? next = state.Phase is MaskPhase.Idle && Round.Phase is Phase.AdvertiseKeys ? new AttemptOpened(new MaskSecrets(Random()), consumed) : MaskedParticipation.Next(Whole.GroupOf(who), state, Read, TimeMs, consumed);
        if (next is null && state is { Phase: MaskPhase.Acked, Masks: not null } && Round.Phase is Phase.Input) next = new UpdateReady(Lanes[who], Tails.TryGetValue(who, out var tail) ? tail : MaskTail.Of(Terms.Weights[who]));
        if (next is null) return null;
        var step = MaskParticipant.Step(state, next);
        States[who] = step.State;
        Journals[who].AddRange(step.Records);
        if (step.Records.Any(record => record.Decode() is MaskRecord.ConsumedContent)) consumed.Add(Weights);
        if (step.Message is null) return next is AcksClosed && step.Fault is MaskFault.None ? Step(who) : null;
        Say(who, step.Message);
        if (MaskedParticipation.BlobOf(step.Message) is { } blob) Store(blob.Span);
        return step.Message;
    }

    /// <summary>The step, and its message on the ledger.</summary>
    public Rejection? Act(int who)
    {
        if (who == Whole.Trusted) return Whole is { TakesReference: true, Reference: null } ? Refer(who, ShortUpdate) : null;
        return Step(who) is { } message ? Send(Names[who], MaskedParticipation.CallOf(Whole.GroupOf(who), message)) : null;
    }

    /// <summary>An update that is short enough for the clip.</summary>
    public int[] ShortUpdate => [.. Enumerable.Range(0, Length).Select(lane => ((lane % 5) - 2) * Agreement.FixedPoint.Levels / 20)];

    /// <summary>Somebody commits an update as the one that all trust.</summary>
    public Rejection Refer(int who, int[] lanes)
    {
        Store(UpdateBlob.Write(lanes));
        return Send(Names[who], new CommitReference(AgreementName, 1, Attempt, ChunkedBlob.Root(UpdateBlob.Write(lanes))));
    }

    public void Act(IEnumerable<int> who)
    {
        foreach (var i in who) Assert.Equal(Rejection.None, Act(i));
    }

    /// <summary>The host dies and comes back with its journal; what it said last, it says again.</summary>
    public void Crash(int who)
    {
        States[who] = MaskParticipant.Restore(Setup(who), Journals[who].Select(record => MaskRecord.TryRead(record.Bytes, out var read) ? read : throw new InvalidDataException("no record")));
        if (MaskParticipant.LastMessage(States[who]) is not { } message) return;
        Say(who, message);
        Send(Names[who], MaskedParticipation.CallOf(Whole.GroupOf(who), message));
    }

    /// <summary>A seat fetches, checks and says that it holds what is committed and what it has not said yet; null when there is nothing.</summary>
    public Rejection? Hold(int seat)
    {
        var masked = Whole;
        if (masked is { TakesReference: true, Reference: { } reference, Trusted: { } trusted } && !masked.HeldBy(seat, MaskBlobKind.Reference).Contains(trusted) && Read(reference) is { } update && MaskedAggregate.TryReadReference(Terms, update.Span, out _))
            Send(TestShard.Hospitals[seat], new HoldMaskBlobs(AgreementName, 1, Attempt, MaskBlobKind.Reference, PositionSet.Of([trusted])));
        if (KindOf(Round.Phase) is not { } kind) return null;
        var positions = PositionSet.Of(Everybody.Where(i => i != masked.Trusted && masked.RootOf(kind, i) is { } root && Read(root) is { } bytes && IsGood(masked.GroupOf(i), kind, i, bytes))).Without(masked.HeldBy(seat, kind));
        return positions.Count == 0 ? null : Send(TestShard.Hospitals[seat], new HoldMaskBlobs(AgreementName, 1, Attempt, kind, positions));
    }

    public void HoldAll()
    {
        var phase = Round.Phase;
        for (var seat = 0; seat < 3 && Round.Phase == phase; seat++) Hold(seat);
    }

    /// <summary>Lets the phase's deadline pass.</summary>
    public void Expire() => Shard.Commit(Math.Max(1, Round.DeadlineMs - TimeMs));

    /// <summary>Brings an attempt to the beginning of a phase, with these participants doing everything; others have dropped out.</summary>
    public void Bring(Phase phase, params IEnumerable<int> who)
    {
        int[] actors = [.. who];
        if (Round.Phase is Phase.AdvertiseKeys && phase != Round.Phase) { Act(actors); Settle(Phase.AdvertiseKeys); }
        if (Round.Phase is Phase.DrawGraph && phase != Round.Phase) Draw(Masked.Fixed.Attempt);
        foreach (var next in new[] { Phase.ShareKeys, Phase.AcknowledgeShares, Phase.Input, Phase.ConsistencyCheck, Phase.Unmask })
        {
            if (phase == next || Round.Phase != next) continue;
            if (Array.IndexOf(Flow, phase) < Array.IndexOf(Flow, next)) return;
            foreach (var i in actors)
            {
                while (Round.Phase == next && Act(i) is not null) { }
            }

            HoldAll();
            Settle(next);
        }
    }

    public static readonly Phase[] Flow = [Phase.AdvertiseKeys, Phase.ShareKeys, Phase.AcknowledgeShares, Phase.Input, Phase.ConsistencyCheck, Phase.Unmask, Phase.RevealSilent, Phase.Aggregate];

    /// <summary>The sum that follows from the ledger and its blobs; null with the fault where there is none.</summary>
    public int[]? Sum(out MaskFault fault) => Sum(Masked, out fault);

    /// <summary>The same of one group.</summary>
    public int[]? Sum(MaskedGroup masked, out MaskFault fault)
    {
        fault = MaskedUnmasking.Of(masked, Read).TryRemove(out var terms, out _);
        using var masks = terms;
        if (fault is not MaskFault.None) return null;
        var layout = masked.Layout;
        var sum = new MaskedSum(layout);
        for (var chunk = 0; chunk < layout.Chunks; chunk++) sum.Take(chunk, masked.Order!.Inputs.Select(input => Read(input.Root)!.Value.Slice(chunk * Limits.ChunkBytes, layout.ChunkLength(chunk))), masks);
        fault = sum.TryFinish(masked.Order!.Inputs.Count, out var tail);
        if (fault is MaskFault.None) Assert.Equal(masked.Survivors.Positions.Sum(i => masked.Terms.Weights[i]), tail.Weight);
        return fault is MaskFault.None ? sum.Lanes.ToArray() : null;
    }

    public int[] PlainSum(IEnumerable<int> who) => [.. who.Select(i => Lanes[i]).Aggregate((IEnumerable<int>)new int[Agreement.UpdateLength], (sum, lanes) => sum.Zip(lanes, (a, b) => a + b))];

    // A shard with so many participants and their data sets.
    private static TestShard People(int count, bool isTrusting)
    {
        var shard = new TestShard(isTrusting: isTrusting);
        string[] names = [.. Enumerable.Range(0, count).Select(i => $"p{i:D3}")];
        shard.Commit(10, [.. names.SelectMany(name => TestShard.Hospitals.Take(3).Select(seat => shard.Sign(seat, new Admit(ParticipantId.Parse(name), name, Roles.Trainer | Roles.DataOwner, TestShard.Key(name).Public))))]);
        shard.Commit(10, [.. names.Select((name, i) => shard.Sign(name, new RegisterDataset("heart", Digest.Of("d"u8), 10 + i, "age")))]);
        return shard;
    }

    private void Say(int who, MaskMessage message) => Said.Add((who, message, Digest.Of(Wire.Encode(MaskedParticipation.CallOf(Whole.GroupOf(who), message).WriteArguments))));

    private void Settle(Phase phase)
    {
        if (Round.Phase == phase) Expire();
    }

    private bool IsGood(MaskedGroup masked, MaskBlobKind kind, int position, ReadOnlyMemory<byte> bytes) => kind switch
    {
        MaskBlobKind.Shares => MaskedUnmasking.CheckShares(masked, position, bytes.Length) is MaskFault.None,
        MaskBlobKind.Input => MaskedInput.Check(Setup(0).Layout, masked.RootOf(kind, position)!.Value, bytes) is MaskFault.None,
        MaskBlobKind.Openings => MaskedUnmasking.Of(masked, Read).CheckOpenings(position, bytes) is MaskFault.None,
        _ => MaskedUnmasking.Of(masked, Read).CheckSilentOpenings(position, bytes) is MaskFault.None,
    };

    private static MaskBlobKind? KindOf(Phase phase) => phase switch
    {
        Phase.ShareKeys => MaskBlobKind.Shares,
        Phase.Input => MaskBlobKind.Input,
        Phase.Unmask => MaskBlobKind.Openings,
        Phase.RevealSilent => MaskBlobKind.SilentOpenings,
        _ => null,
    };

    private byte[] Random()
    {
        var random = new byte[MaskSecrets.RandomBytes];
        Chance.Fill(random);
        return random;
    }
}
