using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer.Tests;

/// <summary>Started by <see cref="InstructionSetTests"/> under other processor settings: prints what must not depend on them.</summary>
internal static class Program
{
    private static void Main() => Console.WriteLine(Compute());

    internal static string Compute()
    {
        var spec = ModelSpec.LeNet();
        var random = new SeededRandom(11);
        var parameters = FixedPoint.Create(3.7, 9);
        var model = InitialModel.Create(spec, random.Bytes(32));
        for (var round = 0; round < 3; round++)
        {
            var sum = new LaneSum(parameters, model.Length);
            for (var participant = 0; participant < 5; participant++)
            {
                var delta = new float[model.Length];
                // Down to subnormal numbers, which must not be flushed.
                for (var i = 0; i < delta.Length; i++) delta[i] = ((int)random.Next() * (1f / int.MaxValue)) / (i % 7 == 0 ? 1e38f : 100f);
                if (!parameters.TryQuantize(delta, FixedPoint.WeightOne - participant, random.Bytes(32), out var lanes) || !sum.TryAdd(lanes, FixedPoint.WeightOne - participant)) return "refused";
            }

            if (!ModelStep.TryFedAvg(model, sum.Lanes, sum.TotalWeight, parameters, out model)) return "not finite";
        }

        return ModelDigest.Of(spec, model) + " " + string.Join(' ', Enum.GetValues<ServerRule>().Select(rule => Digest.Of(Steps(rule))));
    }

    // Three rounds of a strategy on sums of all sizes, with the rest of a vector behind them.
    private static byte[] Steps(ServerRule rule)
    {
        var strategy = rule is ServerRule.Scaffold ? new(rule, 37_000) : new ServerStrategy(rule, 37_000, rule is ServerRule.FedAvg ? 0 : 900_000, rule is ServerRule.FedAdam or ServerRule.FedYogi ? 990_000 : 0, rule > ServerRule.FedAvgM ? 1_000 : 0);
        var random = new SeededRandom(12);
        var spec = ModelSpec.Logistic(1_000);
        float[]? model = InitialModel.Create(spec, random.Bytes(32)), state = strategy.InitialState(spec.ParameterCount);
        for (var round = 0; round < 3; round++)
        {
            var sum = new int[model.Length * strategy.UpdateVectors];
            for (var i = 0; i < sum.Length; i++) sum[i] = (int)random.Next() >> (i % 32);
            var isFinite = rule is ServerRule.Scaffold
                ? ModelStep.TryScaffold(strategy, model, state, sum, 3_141_592, 4_141_592, FixedPoint.Create(0.1, 9), out model, out state)
                : ModelStep.TryApply(strategy, model, state, sum, 3_141_592, FixedPoint.Create(0.1, 9), out model, out state);
            if (!isFinite || model is null) return [];
        }

        return ModelBlob.Write(spec, model, state);
    }
}
