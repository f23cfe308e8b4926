using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Benchmarks;

/// <summary>Real participants, and their messages by phase.</summary>
internal sealed class MaskedCohort
{
    private readonly MaskState[] _states;
    private readonly AttemptContext _attempt = AttemptContext.Derive(Digest.Of("chain"u8), Digest.Of("run"u8), 1, 1, Digest.Of("model"u8), Digest.Of("configuration"u8), Digest.Of("roster"u8));

    public MaskedCohort(int count, GraphParameters shape, int coordinates, int bits, KeyExchange exchange)
    {
        if (!FixedPoint.TryCreate(1L << 32, 1L << 32, LaneLayout.LevelsFor(bits, count), count, out var parameters)) throw new InvalidOperationException("The parameters do not fit.");
        Lanes = Enumerable.Range(0, coordinates).Select(i => (i % ((2 * parameters.Levels) + 1)) - parameters.Levels).ToArray();
        Layout = LaneLayout.Choose(parameters, coordinates);
        _states = [.. Enumerable.Range(0, count).Select(i => MaskParticipant.Begin(new MaskSetup((ushort)i, _attempt, Digest.Zero, parameters, coordinates, 0, 3, FaultBound.Corrupt200Dropped100, Exchange: exchange), new MaskRules { Shape = shape }))];
        Acks = new ReadOnlyMemory<byte>?[count];
    }

    public HashSet<Digest> Fresh { get; } = [];
    public ReadOnlyMemory<int> Lanes { get; }
    public LaneLayout Layout { get; }
    public List<KeyAdvert> Adverts { get; } = [];
    public MaskBeacon Beacon => MaskBeacon.Derive(_attempt, [], Adverts);
    public List<DealtShares> Dealt { get; } = [];
    public ReadOnlyMemory<byte>?[] Acks { get; }
    public List<CommitInput> Inputs { get; } = [];
    public List<SignedConfirm> Confirms { get; } = [];
    public List<Reveal> Reveals { get; } = [];
    public long ShareBytes => Dealt[0].Blob!.Value.Length;
    public long RevealBytes => Reveals.Max(reveal => (long)reveal.Openings.Bytes.Length);

    public static byte[] Random(int i)
    {
        var bytes = new byte[MaskSecrets.RandomBytes];
        for (var part = 0; part < 5; part++) Digest.Of([(byte)part, (byte)i, (byte)(i >> 8)]).CopyTo(bytes.AsSpan(32 * part));
        return bytes;
    }

    public void All(Func<int, MaskEvent> happened)
    {
        for (var i = 0; i < _states.Length; i++)
        {
            if (_states[i].Phase >= MaskPhase.Done) continue;
            var step = MaskParticipant.Step(_states[i], happened(i));
            _states[i] = step.State;
            switch (step.Message)
            {
                case AdvertiseKeys message: Adverts.Add(message.Advert); break;
                case CommitShares message: Dealt.Add(new(message.Commit, message.Blob)); break;
                case AcknowledgeShares message: Acks[i] = message.Bits; break;
                case ConfirmOrder message: Confirms.Add(new(message.Position, message.Order)); break;
                case Reveal message: Reveals.Add(message); break;
            }
        }
    }

    /// <summary>Everybody masks its update, one after the other; the first ones drop out with it, and of the others only the name is kept.</summary>
    public void Mask(int dropped, Action<CommitInput> take, Action<double> spent)
    {
        for (var i = 0; i < _states.Length; i++)
        {
            MaskStep? step = null;
            spent(MaskedRound.Seconds(() => step = MaskParticipant.Step(_states[i], new UpdateReady(Lanes, MaskTail.Of(1)))));
            _states[i] = step!.State;
            if (i < dropped) continue;
            var input = (CommitInput)step.Message!;
            take(input);
            Inputs.Add(input with { Bytes = null });
        }
    }

    public InputsClosed Closing()
    {
        var inputs = Inputs.Select(input => new CommittedInput(input.Position, input.Root)).ToArray();
        return new(UnmaskOrder.Of(_states[0].Context, _states[0].Masks!, inputs), inputs, 1, 2, Fresh);
    }

    public MaskRemoval Removal(UnmaskOrder order)
    {
        var state = _states[^1];
        return new(state.Cohort, state.Context, state.Graph!, state.Masks!, order, position => Adverts[position], dealer => Dealt[dealer].Commit, dealer => ShareBlob.TryRead(Dealt[dealer].Blob!.Value, state.Graph!, dealer, state.Setup.Exchange, out var blob) ? blob : throw new InvalidOperationException("No blob."));
    }
}
