using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>What of a federation is the same in all its trainings.</summary>
/// <param name="Participants">Each with as many images.</param>
/// <param name="Images">Of each.</param>
/// <param name="Rounds">How many.</param>
internal sealed record PrivateFederation(int Participants, int Images, int Rounds);

/// <summary>What a training spent and gave.</summary>
/// <param name="Epsilon">By the accountant of the ledger; null without noise.</param>
/// <param name="Variance">μ of each participant.</param>
/// <param name="Accuracy">Part of the test images.</param>
/// <param name="Inference">What the model tells of who was in it.</param>
internal sealed record PrivateResult(double? Epsilon, long Variance, double Accuracy, Membership Inference);

/// <summary>
/// Federated averaging with participant-level privacy as rounds with noise have it, without a ledger: the service's trainer, clip, lanes and Skellam sampler, and the accountant by which contracts refuse a
/// round. All updates have the weight 1, and nobody drops out.
/// </summary>
internal sealed class PrivateTraining(PrivateFederation federation, LabelledData train, LabelledData test, TrainerPool pool)
{
    /// <summary>δ = 10^−this.</summary>
    public const int DeltaExponent = 5;
    /// <summary>C: an update that is longer is cut to it.</summary>
    public const double Clip = 0.5;

    private const int Levels = 4096;
    private const int MostOthers = 4000;
    private const int Epochs = 5;
    private const int BatchSize = 8;
    private const float LearningRate = 0.1f;
    private const int Pixels = 28 * 28;
    private const int Classes = 10;

    private static readonly ModelSpec Spec = ModelSpec.Softmax(Pixels, Classes);

    private FixedPoint Lanes => FixedPoint.TryCreate(Units(Clip), Units(Clip), Levels, federation.Participants, out var lanes) ? lanes : throw new InvalidOperationException("There are no such lanes.");

    /// <summary>The least noise of each participant with which all rounds together cost no more than a budget; the noise of all counts.</summary>
    public long VarianceFor(double epsilon)
    {
        var budget = new PrivacyBudget((long)Math.Round(1e6 * epsilon), DeltaExponent);
        var (low, high) = (0L, SkellamSampler.LargestVariance);
        if (!budget.Admits(CostOf(high))) throw new InvalidOperationException($"No noise is enough for ε = {epsilon}.");
        while (high - low > 1)
        {
            var middle = low + ((high - low) / 2);
            if (budget.Admits(CostOf(middle))) high = middle;
            else low = middle;
        }

        return high;
    }

    /// <summary>Trains with this much noise of each participant, or without.</summary>
    public async Task<PrivateResult> Run(ulong seed, long variance)
    {
        var (rows, model) = (Rows(seed), InitialModel.Create(Spec, new SeededRandom(seed).Bytes(InitialModel.SeedBytes)));
        var sampler = variance == 0 ? null : new SkellamSampler(variance);
        for (var round = 1; round <= federation.Rounds; round++)
        {
            var (parent, sum, number) = (model, new int[model.Length], round);
            var updates = await Task.WhenAll(rows.Select((own, i) => pool.Run(stop => Lane(LocalTrainer.Train(Spec, parent, own, new TrainingSettings(Epochs, BatchSize, LearningRate, SeededRandom.Derive(seed, number, i)), stop).Delta, sampler, SeededRandom.Derive(seed, number, ~i)))));
            foreach (var update in updates)
            {
                for (var i = 0; i < sum.Length; i++) sum[i] += update[i];
            }

            if (!ModelStep.TryFedAvg(parent, sum, (long)federation.Participants * FixedPoint.WeightOne, Lanes, out var next)) throw new InvalidOperationException("The model is not finite.");
            model = next;
        }

        return await Judge(model, rows, variance, seed);
    }

    /// <summary>The same images in one place, trained on until they are learned by heart: what the attack finds where nothing is in its way.</summary>
    public async Task<PrivateResult> Pool(ulong seed, int epochs)
    {
        var (rows, model) = (Rows(seed), InitialModel.Create(Spec, new SeededRandom(seed).Bytes(InitialModel.SeedBytes)));
        var delta = await pool.Run(stop => LocalTrainer.Train(Spec, model, LabelledData.Join(rows), new TrainingSettings(epochs, BatchSize, LearningRate, seed), stop).Delta);
        for (var i = 0; i < model.Length; i++) model[i] += delta[i];
        return await Judge(model, rows, 0, seed);
    }

    private int[] Order(ulong seed) => new SeededRandom(SeededRandom.Derive(seed, 7)).Permutation(train.Count);

    private LabelledData[] Rows(ulong seed)
    {
        var order = Order(seed);
        return [.. Enumerable.Range(0, federation.Participants).Select(i => train.Select(order.AsSpan(i * federation.Images, federation.Images)))];
    }

    private async Task<PrivateResult> Judge(float[] model, LabelledData[] rows, long variance, ulong seed)
    {
        var accuracy = await pool.Run(stop => LocalTrainer.Evaluate(Spec, model, test, cancellationToken: stop).Accuracy);
        double[] members = [.. rows.SelectMany(own => Losses(model, own, own.Count))];
        // Of the same source as the members: images of another one would be told from them without any model.
        int[] rest = [.. Order(seed).Skip(members.Length).Take(Math.Max(members.Length, MostOthers))];
        var others = Losses(model, train.Select(rest), rest.Length);
        return new(variance == 0 ? null : PrivacyBudget.EpsilonOf(CostOf(variance), DeltaExponent) / 1e6, variance, accuracy, Membership.Of(members, others));
    }

    // A participant draws its keys from the system; a table must come out twice.
    private int[] Lane(float[] delta, SkellamSampler? sampler, ulong seed)
    {
        var random = new SeededRandom(seed);
        var isGood = sampler is null
            ? Lanes.TryQuantize(delta, FixedPoint.WeightOne, random.Bytes(32), out var lanes)
            : NoisyUpdate.TryCreate(Lanes, sampler, delta, random.Bytes(32), random.Bytes(32), out lanes);
        return isGood ? lanes! : throw new InvalidOperationException("An update is not finite.");
    }

    private PrivacyCost CostOf(long variance)
    {
        var round = new SkellamMechanism(SkellamMechanism.ClipOf(Lanes), Spec.ParameterCount, checked(variance * federation.Participants)).Cost();
        return Enumerable.Repeat(round, federation.Rounds).Aggregate(PrivacyCost.None, (sum, cost) => sum.Plus(cost));
    }

    // The cross-entropy of each row: weights [10, 784], then biases.
    private static double[] Losses(float[] model, LabelledData rows, int count)
    {
        var losses = new double[count];
        Span<double> scores = stackalloc double[Classes];
        for (var row = 0; row < count; row++)
        {
            var pixels = rows.Row(row);
            for (var c = 0; c < Classes; c++)
            {
                double score = model[(Classes * Pixels) + c];
                for (var i = 0; i < Pixels; i++) score += (double)model[(c * Pixels) + i] * pixels[i];
                scores[c] = score;
            }

            var (largest, sum) = (scores[0], 0.0);
            foreach (var score in scores) largest = Math.Max(largest, score);
            foreach (var score in scores) sum += Math.Exp(score - largest);
            losses[row] = largest + Math.Log(sum) - scores[rows.Labels[row]];
        }

        return losses;
    }

    private static long Units(double value) => (long)Math.Round(value * (1L << FixedPoint.UnitBits));
}
