using Orleans.Metadata;
using Orleans.Placement;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Runtime.Placement;

namespace Orleans.Training.Grains.Silos;

/// <summary>
/// Places the grain only on silos with this label (<see cref="TrainingSiloOptions.Labels"/>), whichever silo the call comes from. Without a value, the cluster's configuration says
/// which it must have (<see cref="TrainingSiloOptions.Needs"/>); any will do if that says nothing.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class RequireSiloMetadataAttribute(string key, string value = "", int order = 0) : PlacementFilterAttribute(new RequireSiloMetadataStrategy(key, value, order))
{
    public string Key { get; } = key;

    public string Value { get; } = value;

    public int Order { get; } = order;
}

/// <summary>What <see cref="RequireSiloMetadataAttribute"/> asks, as the grain's properties carry it between silos.</summary>
public sealed class RequireSiloMetadataStrategy(string key, string value, int order) : PlacementFilterStrategy(order)
{
    private const string KeyProperty = "key";
    private const string ValueProperty = "value";

    /// <summary>For Orleans, which fills in the rest from the grain's properties.</summary>
    public RequireSiloMetadataStrategy()
        : this("", "", 0)
    {
    }

    public string Key { get; private set; } = key;

    public string Value { get; private set; } = value;

    /// <inheritdoc/>
    public override void AdditionalInitialize(GrainProperties properties)
    {
        Key = GetPlacementFilterGrainProperty(KeyProperty, properties)!;
        Value = GetPlacementFilterGrainProperty(ValueProperty, properties)!;
    }

    /// <inheritdoc/>
    protected override IEnumerable<KeyValuePair<string, string>> GetAdditionalGrainProperties(IServiceProvider services, Type grainClass, GrainType grainType, IReadOnlyDictionary<string, string> existingProperties) =>
        [new(KeyProperty, Key), new(ValueProperty, Value)];
}

internal sealed class RequireSiloMetadataDirector(ISiloMetadataCache labels, TrainingSiloOptions options) : IPlacementFilterDirector
{
    public IEnumerable<SiloAddress> Filter(PlacementFilterStrategy filterStrategy, PlacementTarget target, IEnumerable<SiloAddress> silos)
    {
        var wanted = (RequireSiloMetadataStrategy)filterStrategy;
        var needed = wanted.Value.Length > 0 ? wanted.Value : options.Needs.TryGetValue(wanted.Key, out var configured) ? configured : null;
        var fitting = silos.Where(silo => labels.GetSiloMetadata(silo).Metadata.TryGetValue(wanted.Key, out var value) && (needed is null || value == needed)).ToList();
        if (fitting.Count > 0) return fitting;
        throw new OperationalException("OT-7003", $"No running silo is labelled {wanted.Key}{(needed is null ? "" : " = ")}{needed}, which {target.GrainIdentity.Type} needs.");
    }
}
