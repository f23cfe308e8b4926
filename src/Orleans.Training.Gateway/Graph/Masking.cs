using System.ComponentModel;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Gateway.Graph;

[Description("A data set's privacy budget: (ε, δ) over everything that is ever computed from it.")]
internal sealed class DataBudget(PrivacyBudget budget, BudgetRecord record)
{
    private const double Million = 1_000_000;

    [Description("What it may lose in all.")]
    public double Epsilon => budget.EpsilonMicro / Million;

    public double Delta => Math.Pow(10, -budget.DeltaExponent);

    [Description("ε that it has lost, rounded up.")]
    public double Spent => EpsilonOf(record.Spent);

    [Description("ε that it will have lost once the rounds that are open have spent what they reserved.")]
    public double Reserved => EpsilonOf(record.Spent.Plus(record.Reserved));

    // Nothing that was spent is 0, and not what a δ alone would be worth.
    private double EpsilonOf(PrivacyCost cost) => cost.Equals(PrivacyCost.None) ? 0 : PrivacyBudget.EpsilonOf(cost, budget.DeltaExponent) / Million;
}

[Description("Secure aggregation: nobody sees an update, only sums.")]
internal sealed class Masking(FederationReader reader, AgreementRecord record, MaskingTerms terms)
{
    [Description("Participants that are assumed to be corrupt, at most; with groups, in each of them.")]
    public int CorruptLimit => terms.CorruptLimit;

    [Description("The variance of the noise that each participant adds to each coordinate, in levels squared; 0 for none.")]
    public long NoiseVariance => terms.NoiseVariance;

    [Description("Whether validators check a sum by images of its updates, and read few of those.")]
    public bool IsProjected => terms.Check is SumCheck.Projected;

    [Description("Whether secrets between participants are of X25519 and ML-KEM-768 together, so that updates stay hidden while one of both is unbroken.")]
    public bool IsHybrid => terms.Exchange is KeyExchange.Hybrid;

    [Description("How participants are divided; null for one sum of all.")]
    public Grouping? Groups => terms.Groups is { } groups ? new Grouping(reader, record, groups) : null;
}

[Description("Groups whose sums a robust rule makes one mean of, which bears a few poisoned ones.")]
internal sealed class Grouping(FederationReader reader, AgreementRecord record, GroupTerms terms)
{
    [Description("With how few groups a round still has a model.")]
    public int Least => terms.Least;

    [Description("median, trimmed, krum, bulyan, clipping or fltrust, with its constants.")]
    public string Rule => terms.Rule.ToString();

    [Description("Whose update, which everybody sees, FLTrust compares the groups with; null for other rules.")]
    public Participant? Trusted => terms.Trusted is { } position ? At(position) : null;

    [Description("Who is in which group, as the validators have drawn it for the whole run; null until they have.")]
    public IEnumerable<ParticipantGroup>? Drawn => record.Draw is null ? null : record.Groups().Select((members, index) => new ParticipantGroup(index, members.Positions.Select(At)));

    private Participant At(int position) => new(reader, record.Agreement.Datasets[position].Participant);
}

[Description("Participants whose updates have one sum.")]
internal sealed record ParticipantGroup(int Index, IEnumerable<Participant> Participants);

[Description("Sums over all participants whose updates are in a model. With noise nobody tells more than that it takes part.")]
internal sealed class TrainingMetrics(int updates, MaskTail tail)
{
    [Description("Updates in the model.")]
    public int Updates => updates;

    [Description("Rows that they were trained on; 0 with noise.")]
    public int Samples => tail.Samples;

    [Description("Mean loss over those rows, each when it was trained on last; null with noise.")]
    public double? Loss => tail.Samples > 0 ? (double)tail.LossSum / MaskTail.LossUnit / tail.Samples : null;

    [Description("On how many of those rows, from 0 to 1, the model that the round began with was right; null with noise.")]
    public double? Accuracy => tail.Samples > 0 ? (double)tail.Correct / tail.Samples : null;

    [Description("Updates that were not longer than the clip, and so came in whole; null with noise.")]
    public int? Unclipped => tail.Samples > 0 ? tail.NormBit : null;
}
