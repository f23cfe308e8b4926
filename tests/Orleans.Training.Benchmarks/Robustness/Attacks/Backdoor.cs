using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// Each marks every other of its rows with a white square in a corner and labels it with the target (Gu et al. 2017), trains, and makes the update n ÷ f times longer, so that the mean becomes the attackers' model
/// (model replacement: Bagdasaryan et al. 2020).
/// </summary>
internal sealed record Backdoor(int Target = 0, int Side = 3) : IAttack
{
    private const int Width = 28;

    public string Name => "backdoor";

    public string Description => $"half its rows with {Side} × {Side} white pixels in a corner, labelled {Target}; update × n ÷ f";

    public LabelledData Poison(LabelledData rows) => Mark(rows, Enumerable.Range(0, rows.Count), row => row % 2 == 0);

    public IReadOnlyList<float[]> Forge(Attackers attackers) => [.. attackers.Own.Select(update => Vectors.Scale(update, (double)attackers.Participants / attackers.Count))];

    public LabelledData Wish(LabelledData test)
    {
        var labels = test.Labels.ToArray();
        return Mark(test, Enumerable.Range(0, test.Count).Where(row => labels[row] != Target), _ => true);
    }

    private LabelledData Mark(LabelledData data, IEnumerable<int> chosen, Func<int, bool> isMarked)
    {
        var rows = chosen.ToArray();
        var (features, labels) = (new float[rows.Length * data.FeatureCount], new int[rows.Length]);
        for (var i = 0; i < rows.Length; i++)
        {
            var pixels = features.AsSpan(i * data.FeatureCount, data.FeatureCount);
            data.Row(rows[i]).CopyTo(pixels);
            labels[i] = isMarked(rows[i]) ? Target : data.Labels[rows[i]];
            // The square touches neither edge: the last row and column stay as they are.
            for (var line = 0; line < Side && isMarked(rows[i]); line++) pixels.Slice(((Width - 2 - line) * Width) + Width - 1 - Side, Side).Fill(1);
        }

        return new LabelledData(features, data.FeatureCount, labels);
    }
}
