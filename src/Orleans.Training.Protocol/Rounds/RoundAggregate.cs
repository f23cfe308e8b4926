using System.Security.Cryptography;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>Bytes that belong to a root of 64 KiB chunks, already checked against it; null when they cannot be had.</summary>
public delegate ReadOnlyMemory<byte>? BlobReader(Digest root);

/// <summary>What follows from the fixed inputs of a round: computed alike by proposer, validators and auditors.</summary>
/// <param name="Sum">The sum as bytes: little-endian int32 lanes; under masks the tail of the sum behind them; with groups all their sums (<see cref="GroupSumsBlob"/>).</param>
/// <param name="SumRoot">Root of its chunks.</param>
/// <param name="ModelBytes">The next model: specification digest, float32 parameters, and what its strategy goes on from.</param>
/// <param name="Model">The next model's digest.</param>
/// <param name="ModelRoot">Root of its chunks.</param>
public sealed record RoundAggregate(byte[] Sum, Digest SumRoot, byte[] ModelBytes, Digest Model, Digest ModelRoot)
{
    /// <summary>Bytes of every update of an agreement.</summary>
    public static long UpdateBytes(AgreementRecord terms) => UpdateBlob.Length((int)terms.Agreement.UpdateLength);

    /// <summary>An empty sum of updates of an agreement. It refuses what may not be held: another length, or beyond the agreement's clip and lanes.</summary>
    public static LaneSum NewSum(AgreementRecord terms) => new(terms.Agreement.FixedPoint, (int)terms.Agreement.UpdateLength);

    /// <summary>
    /// The aggregate of a round whose inputs are fixed, on its base model; null when an update is missing, is not admissible, or the result is
    /// not finite: then there is nothing that an honest validator could attest.
    /// </summary>
    public static RoundAggregate? Compute(AgreementRecord terms, RoundRecord round, int quorum, ReadOnlySpan<byte> baseModel, BlobReader read)
    {
        var sum = NewSum(terms);
        foreach (var position in round.Survivors(quorum))
        {
            if (read(round.Inputs[position].Root) is not { } update || !sum.TryAdd(update.Span, terms.Weights[position])) return null;
        }

        return Compute(terms, round, baseModel, sum);
    }

    /// <summary>The same from the sum of exactly the updates that count.</summary>
    public static RoundAggregate? Compute(AgreementRecord terms, RoundRecord round, ReadOnlySpan<byte> baseModel, LaneSum sum) =>
        sum.Count == 0 ? null : Of(terms, round, baseModel, sum.Lanes, sum.TotalWeight, tail: []);

    /// <summary>
    /// What follows from a sum that was published, of an agreement without masks: null where it can be none, or gives no model. Whether it is that of the survivors' updates is another question.
    /// </summary>
    public static RoundAggregate? Follow(AgreementRecord terms, RoundRecord round, int quorum, ReadOnlySpan<byte> baseModel, ReadOnlySpan<byte> sum)
    {
        int[] survivors = [.. round.Survivors(quorum)];
        var limit = survivors.Length * terms.Agreement.FixedPoint.Levels;
        if (!UpdateBlob.TryRead(sum, (int)terms.Agreement.UpdateLength, out var lanes) || lanes.AsSpan().ContainsAnyExceptInRange(-limit, limit)) return null;
        return Of(terms, round, baseModel, lanes, survivors.Sum(position => (long)terms.Weights[position]), tail: []);
    }

    // The one step from a sum to the next model, with masks or without.
    internal static RoundAggregate? Of(AgreementRecord terms, RoundRecord round, ReadOnlySpan<byte> baseModel, ReadOnlySpan<int> lanes, long weight, ReadOnlySpan<byte> tail)
    {
        var strategy = terms.Agreement.Strategy;
        if (!TryRead(terms, round, baseModel, out var parameters, out var state)) return null;
        var isFinite = strategy.Rule is ServerRule.Scaffold
            ? ModelStep.TryScaffold(strategy, parameters, state, lanes, weight, terms.TotalWeight, terms.Agreement.FixedPoint, out var next, out var nextState)
            : ModelStep.TryApply(strategy, parameters, state, lanes, weight, terms.Agreement.FixedPoint, out next, out nextState);
        return isFinite ? Of(terms, [.. UpdateBlob.Write(lanes), .. tail], next!, nextState!) : null;
    }

    // The same from the sums of groups, which are what is published. What the last round's result was is carried as binary32 numbers behind the strategy's state.
    internal static RoundAggregate? Of(AgreementRecord terms, RoundRecord round, ReadOnlySpan<byte> baseModel, GroupSums groups, ReadOnlySpan<int> trusted, byte[] sums)
    {
        var (strategy, rule) = (terms.Agreement.Strategy, terms.Agreement.Groups!.Rule);
        if (!TryRead(terms, round, baseModel, out var parameters, out var state)) return null;
        var carried = rule.CarriesReference ? parameters.Length : 0;
        int[] last = [.. state[^carried..].Select(lane => (int)lane)];
        var mean = rule.Apply(groups, carried > 0 ? last : trusted);
        if (!ModelStep.TryApply(strategy, parameters, state.AsSpan(..^carried), mean, terms.Agreement.FixedPoint, out var next, out var nextState)) return null;
        return Of(terms, sums, next, carried > 0 ? [.. nextState, .. mean.ToReference().Select(lane => (float)lane)] : nextState);
    }

    private static bool TryRead(AgreementRecord terms, RoundRecord round, ReadOnlySpan<byte> baseModel, out float[] parameters, out float[] state)
    {
        (parameters, state) = ([], []);
        return Digest.Of(baseModel) == round.BaseModel && ModelBlob.TryRead(SpecOf(terms), baseModel, out parameters!, out state!) && state.Length == terms.Agreement.StateVectors * parameters.Length;
    }

    private static RoundAggregate Of(AgreementRecord terms, byte[] sum, float[] next, float[] nextState)
    {
        var model = ModelBlob.Write(SpecOf(terms), next, nextState);
        return new RoundAggregate(sum, ChunkedBlob.Root(sum), model, Digest.Of(model), ChunkedBlob.Root(model));
    }

    /// <summary>The initial model of an agreement, from its specification, seed and strategy.</summary>
    public static byte[] InitialModelOf(TrainingAgreement agreement)
    {
        if (!ModelSpec.TryParse(agreement.ModelSpec, out var spec)) throw new ArgumentException("The agreement has no valid model specification.", nameof(agreement));
        return ModelBlob.Write(spec, Aggregation.InitialModel.Create(spec, agreement.Seed.ToArray()), [.. agreement.Strategy.InitialState(spec.ParameterCount), .. agreement.Groups?.Rule.CarriesReference is true ? new float[spec.ParameterCount] : []]);
    }

    /// <summary>What a validator states with a verdict: SHA-256("FLv1-work\0" ‖ organisation ‖ "\0" ‖ what it computed). That is the sum, or the digest of the masks where sums are projected.</summary>
    public static Digest WorkOf(ParticipantId organisation, ReadOnlySpan<byte> computed)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("FLv1-work\0"u8);
        hash.AppendData(System.Text.Encoding.ASCII.GetBytes(organisation.Name));
        hash.AppendData([0]);
        hash.AppendData(computed);
        return Digest.From(hash.GetHashAndReset());
    }

    internal static ModelSpec SpecOf(AgreementRecord terms) =>
        ModelSpec.TryParse(terms.Agreement.ModelSpec, out var spec) ? spec : throw new InvalidOperationException("An agreement on the ledger has a valid model specification.");
}
