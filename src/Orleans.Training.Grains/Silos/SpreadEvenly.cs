using System.Collections.Concurrent;
using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Orleans.Training.Grains.Silos;

/// <summary>
/// Places grains of a type one after another on the silos that they may live in: whoever calls all of them spreads them evenly, which chance does not do for a few.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class SpreadEvenlyAttribute() : PlacementAttribute(new SpreadEvenlyStrategy());

/// <summary>What <see cref="SpreadEvenlyAttribute"/> asks.</summary>
[Serializable, GenerateSerializer, Immutable, Alias("otrain.SpreadEvenly")]
public sealed class SpreadEvenlyStrategy : PlacementStrategy;

internal sealed class SpreadEvenlyDirector : IPlacementDirector
{
    private readonly ConcurrentDictionary<GrainType, int> _placed = new();

    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var silos = context.GetCompatibleSilos(target);
        var turn = _placed.AddOrUpdate(target.GrainIdentity.Type, 0, static (_, count) => count + 1);
        return Task.FromResult(silos.Order().ElementAt((int)((uint)turn % (uint)silos.Length)));
    }
}
