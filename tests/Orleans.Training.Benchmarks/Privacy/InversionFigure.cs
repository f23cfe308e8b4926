using System.Globalization;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>What whoever sees an update gets back of the one image that made it: without masks, with them, from the sum of all, and from a sum with noise.</summary>
internal sealed class InversionFigure(LabelledData train, Report report, int participants, int victims, ulong seed)
{
    private const double Bound = 0.1;
    private const double Clip = 10;
    private const double Epsilon = 8;
    private const int DeltaExponent = 5;

    private static readonly ModelSpec Spec = ModelSpec.Softmax(28 * 28, 10);
    private static readonly string[] Captions = ["the image", "from its update\nwithout masks", "from its update\nunder masks", "from the sum\nof all", "from the sum\nwith noise"];

    /// <summary>Writes the table; the figure.</summary>
    public (string Name, string Svg) Write()
    {
        var order = new SeededRandom(seed).Permutation(train.Count);
        var model = InitialModel.Create(Spec, new SeededRandom(seed).Bytes(InitialModel.SeedBytes));
        var lanes = FixedPoint.Create(Clip, participants, 16, Bound);
        var updates = Enumerable.Range(0, participants).Select(i => Update(lanes, model, order[i], i)).ToArray();
        var noisy = NoisySum(model, order);
        var (sum, rows, found) = (Sum(updates), new List<IReadOnlyList<double[]>>(), new double[Captions.Length]);
        for (var victim = 0; victim < victims; victim++)
        {
            var image = train.Row(order[victim]).ToArray();
            double[][] pictures = [[.. image.Select(pixel => (double)pixel)], Inversion.Of(updates[victim]), Inversion.Of(Masked(lanes, updates[victim])), Inversion.Of(sum), Inversion.Of(noisy)];
            for (var i = 0; i < pictures.Length; i++) found[i] += Math.Abs(Inversion.Correlation(pictures[i], image)) / victims;
            rows.Add(pictures);
        }

        report.Line(string.Create(CultureInfo.InvariantCulture, $"{participants} participants with one image each, softmax of {Spec.ParameterCount} parameters, one step; the image is read off the gradient (Phong et al. 2018). Correlation with the image, means of {victims}:"));
        report.Line();
        report.Head(1, ["who sees what", "correlation"]);
        string[] names = ["the update, without masks", "the masked update", $"the sum of {participants}", $"the sum of {participants} with noise for ε = {Epsilon:0}, δ = 10⁻⁵ in one round"];
        for (var i = 1; i < Captions.Length; i++) report.Row([names[i - 1], found[i].ToString("F3", CultureInfo.InvariantCulture)]);
        report.Line();
        return ("inversion.svg", Pictures.Draw(Captions, rows));
    }

    private int[] Update(FixedPoint lanes, float[] model, int row, int participant) =>
        lanes.TryQuantize(Delta(model, row), FixedPoint.WeightOne, new SeededRandom(SeededRandom.Derive(seed, participant)).Bytes(32), out var update) ? update : throw new InvalidOperationException("An update is not finite.");

    private float[] Delta(float[] model, int row) => LocalTrainer.Train(Spec, model, train.Select([row]), new TrainingSettings(1, 1, 0.1f, seed)).Delta;

    // One mask of its own, and one with everybody else, as in a complete graph; what y is after them is all that leaves the participant.
    private int[] Masked(FixedPoint lanes, int[] update)
    {
        var layout = LaneLayout.Choose(lanes, update.Length);
        using var masks = new MaskTerms();
        for (var i = 0; i < participants; i++) masks.Include(System.Security.Cryptography.RandomNumberGenerator.GetBytes(MaskKeys.Size), negative: i % 2 == 1);
        if (MaskedInput.TryCreate(lanes, layout, update, MaskTail.Of(FixedPoint.WeightOne), masks, out var y) is not MaskFault.None) throw new InvalidOperationException("The update cannot be masked.");
        return Inversion.Lanes(layout, y);
    }

    // The clip is that of one image's update, and lanes have room for the noise.
    private int[] NoisySum(float[] model, int[] order)
    {
        const int levels = 1024;
        const long unit = 1L << FixedPoint.UnitBits;
        if (!FixedPoint.TryCreate(unit / 2, unit / 2, levels, participants, out var lanes)) throw new InvalidOperationException("There are no such lanes.");
        var (budget, variance) = (new PrivacyBudget((long)(1e6 * Epsilon), DeltaExponent), 1L);
        while (!budget.Admits(new SkellamMechanism(SkellamMechanism.ClipOf(lanes), Spec.ParameterCount, variance * participants).Cost())) variance += Math.Max(1, variance / 64);
        var sampler = new SkellamSampler(variance);
        return Sum([.. Enumerable.Range(0, participants).Select(i =>
        {
            var random = new SeededRandom(SeededRandom.Derive(seed, ~i));
            return NoisyUpdate.TryCreate(lanes, sampler, Delta(model, order[i]), random.Bytes(32), random.Bytes(32), out var update) ? update : throw new InvalidOperationException("An update is not finite.");
        })]);
    }

    private static int[] Sum(int[][] updates)
    {
        var sum = new int[updates[0].Length];
        foreach (var update in updates)
        {
            for (var i = 0; i < sum.Length; i++) sum[i] += update[i];
        }

        return sum;
    }
}
