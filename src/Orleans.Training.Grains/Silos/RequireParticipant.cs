using Orleans.Placement;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Runtime.Placement;

namespace Orleans.Training.Grains.Silos;

/// <summary>
/// Places the grain only on silos that the participant of its key has chosen: those with the label <see cref="LabelOf"/>. A participant's secrets are opened
/// nowhere else.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class RequireParticipantAttribute(int order = 10) : PlacementFilterAttribute(new RequireParticipantStrategy(order))
{
    public int Order { get; } = order;

    /// <summary>The label by which a silo says that a participant has chosen it; its value is <c>yes</c>.</summary>
    public static string LabelOf(string participant) => $"participant/{participant}";
}

/// <summary>What <see cref="RequireParticipantAttribute"/> asks.</summary>
public sealed class RequireParticipantStrategy(int order) : PlacementFilterStrategy(order)
{
    /// <summary>For Orleans.</summary>
    public RequireParticipantStrategy()
        : this(10)
    {
    }
}

internal sealed class RequireParticipantDirector(ISiloMetadataCache labels) : IPlacementFilterDirector
{
    public IEnumerable<SiloAddress> Filter(PlacementFilterStrategy filterStrategy, PlacementTarget target, IEnumerable<SiloAddress> silos)
    {
        var participant = GrainKeys.ParticipantOf(target.GrainIdentity.Key.ToString()!);
        var label = RequireParticipantAttribute.LabelOf(participant.Name);
        var fitting = silos.Where(silo => labels.GetSiloMetadata(silo).Metadata.TryGetValue(label, out var value) && value == "yes").ToList();
        if (fitting.Count > 0) return fitting;
        throw new OperationalException("OT-7025", $"No running silo is chosen by {participant}: start one with the label {label} = yes.");
    }
}
