using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>Each trains on nothing but its ones, all labelled 7, as often as it takes to have as many rows as before, and sends what comes of it: the poison of Fung et al. 2018 and of Biscotti (Shayan et al. 2021).</summary>
internal sealed record LabelFlip(int From = 1, int To = 7) : IAttack
{
    public string Name => $"label flip {From}→{To}";

    public string Description => $"trains on its rows of digit {From} only, labelled {To}";

    public LabelledData Poison(LabelledData rows)
    {
        var chosen = Rows.Of(rows, From);
        return chosen.Length == 0 ? rows : Rows.Relabel(rows.Select([.. Enumerable.Range(0, rows.Count).Select(i => chosen[i % chosen.Length])]), _ => To);
    }

    public LabelledData Wish(LabelledData test) => Rows.Relabel(test.Select(Rows.Of(test, From)), _ => To);
}
