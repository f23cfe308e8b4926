using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Simulation;

namespace Orleans.Training.Tests.Masking;

/// <summary>A cohort of real participants and a ledger that a test makes say what it likes. Steps are taken phase by phase; whoever is left out of one has dropped out.</summary>
internal sealed class MaskWorld
{
    public static readonly Digest Parent = Digest.Of("weights"u8);
    public static readonly HashSet<Digest> Fresh = [];

    public MaskWorld(int count, ulong seed = 1, int corrupt = 0, int minimum = 3, int length = 17, MaskRules? rules = null, Func<ushort, Digest>? modelOf = null, int attempt = 1, int bits = 16, KeyExchange exchange = KeyExchange.X25519)
    {
        Chance = new Chance(seed);
        Parameters = LaneLayoutTests.FixedPointOf(bits, Math.Max(count, 3));
        Rules = rules ?? MaskRules.Correct;
        for (ushort i = 0; i < count; i++)
        {
            var context = AttemptContext.Derive(Digest.Of("chain"u8), Digest.Of("run"u8), 1, attempt, modelOf?.Invoke(i) ?? Digest.Of("model"u8), Digest.Of("configuration"u8), Digest.Of("roster"u8));
            Setups[i] = new MaskSetup(i, context, Parent, Parameters, length, corrupt, Math.Max(minimum, corrupt + 3), FaultBound.Corrupt200Dropped100, Exchange: exchange);
            States[i] = MaskParticipant.Begin(Setups[i], Rules);
            Lanes[i] = [.. Enumerable.Range(0, length).Select(_ => (int)Chance.Between(-Parameters.Levels, Parameters.Levels))];
        }
    }

    public Chance Chance { get; }
    public FixedPoint Parameters { get; }
    public MaskRules Rules { get; }
    public SortedDictionary<ushort, MaskSetup> Setups { get; } = [];
    public SortedDictionary<ushort, MaskState> States { get; } = [];
    public SortedDictionary<ushort, List<MaskRecord>> Journals { get; } = [];
    public SortedDictionary<ushort, int[]> Lanes { get; } = [];
    public List<KeyAdvert> Adverts { get; } = [];
    public SortedDictionary<ushort, DealtShares> Dealt { get; } = [];
    public SortedDictionary<ushort, ReadOnlyMemory<byte>> Acks { get; } = [];
    public SortedDictionary<ushort, CommitInput> Inputs { get; } = [];
    public List<SignedConfirm> Confirms { get; } = [];
    public SortedDictionary<ushort, Reveal> Reveals { get; } = [];
    public MaskBeacon Beacon { get; private set; }
    public IEnumerable<ushort> Everybody => Setups.Keys;
    public MaskState Any => States.Values.First(state => state.Masks is not null);

    /// <summary>One step of one participant; its records are kept as its journal would.</summary>
    public MaskStep Step(ushort who, MaskEvent happened)
    {
        var step = MaskParticipant.Step(States[who], happened);
        States[who] = step.State;
        if (!Journals.TryGetValue(who, out var journal)) Journals[who] = journal = [];
        journal.AddRange(step.Records);
        return step;
    }

    public MaskStep Crash(ushort who)
    {
        var records = Journals[who].Select(record => MaskRecord.TryRead(record.Bytes, out var read) ? read : throw new InvalidDataException("no record"));
        States[who] = MaskParticipant.Restore(Setups[who], records, Rules);
        return new(States[who], MaskFault.None, [], MaskParticipant.LastMessage(States[who]));
    }

    public void Open(params IEnumerable<ushort> who)
    {
        foreach (var i in who)
        {
            var random = new byte[MaskSecrets.RandomBytes];
            Chance.Fill(random);
            Adverts.Add(((AdvertiseKeys)Step(i, new AttemptOpened(new MaskSecrets(random), Fresh)).Message!).Advert);
        }

        Beacon = MaskBeacon.Derive(Setups[0].Attempt, [Digest.Of("released"u8)], Adverts);
    }

    public void Share(params IEnumerable<ushort> who)
    {
        foreach (var i in who)
        {
            if (Step(i, new KeysClosed(Adverts, Beacon)).Message is CommitShares message) Dealt[i] = new(message.Commit, message.Blob);
        }
    }

    public void Acknowledge(params IEnumerable<ushort> who)
    {
        foreach (var i in who)
        {
            if (Step(i, new SharesClosed([.. Dealt.Values])).Message is AcknowledgeShares message) Acks[i] = message.Bits;
        }
    }

    public IReadOnlyList<ReadOnlyMemory<byte>?> AckList => [.. Adverts.Select(advert => Acks.TryGetValue(advert.Position, out var bits) ? bits : (ReadOnlyMemory<byte>?)null)];

    public void Mask(params IEnumerable<ushort> who)
    {
        foreach (var i in who)
        {
            if (Step(i, new AcksClosed(AckList)).Fault is not MaskFault.None) continue;
            Inputs[i] = (CommitInput)Step(i, new UpdateReady(Lanes[i], MaskTail.Of(i + 1))).Message!;
        }
    }

    public IReadOnlyList<CommittedInput> Committed => [.. Inputs.Values.Select(input => new CommittedInput(input.Position, input.Root))];

    public UnmaskOrder Order => UnmaskOrder.Of(Any.Context, Any.Masks!, Committed);

    public InputsClosed Closing => new(Order, Committed, 10, 20, Fresh);

    public void Confirm(params IEnumerable<ushort> who)
    {
        foreach (var i in who)
        {
            if (Step(i, Closing).Message is ConfirmOrder message) Confirms.Add(new(i, message.Order));
        }
    }

    public void Reveal(params IEnumerable<ushort> who)
    {
        foreach (var i in who)
        {
            if (Step(i, new ConfirmsSeen(Confirms, 10, 20)).Message is Reveal message) Reveals[i] = message;
        }
    }

    public MaskRemoval Removal(MaskState of)
    {
        Assert.True(of.Masks is not null);
        return new(of.Cohort, of.Context, of.Graph!, of.Masks, Order, of.AdvertOf, dealer => Dealt[dealer].Commit, BlobOf);
    }

    /// <summary>What a dealer dealt.</summary>
    public ShareBlob BlobOf(ushort dealer) => ShareBlob.TryRead(Dealt[dealer].Blob!.Value, States[dealer].Graph ?? States.Values.First(state => state.Graph is not null).Graph!, dealer, Setups[dealer].Exchange, out var blob) ? blob : throw new InvalidDataException("no blob");

    /// <summary>The sum of the survivors' inputs without the masks.</summary>
    public MaskedSum Sum(MaskTerms masks)
    {
        var layout = Setups[0].Layout;
        var sum = new MaskedSum(layout);
        for (var chunk = 0; chunk < layout.Chunks; chunk++) sum.Take(chunk, Order.Survivors.Select(i => Inputs[i].Bytes!.Value.Slice(chunk * Limits.ChunkBytes, layout.ChunkLength(chunk))), masks);
        return sum;
    }

    public int[] PlainSum(IEnumerable<ushort> who) => [.. who.Select(i => Lanes[i]).Aggregate((IEnumerable<int>)new int[Setups[0].Length], (sum, lanes) => sum.Zip(lanes, (a, b) => a + b))];
}
