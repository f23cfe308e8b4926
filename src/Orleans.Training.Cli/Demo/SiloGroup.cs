namespace Orleans.Training.Cli.Demo;

/// <summary>The silos of one machine, each a process; every participant has chosen all of them, so that any one may die.</summary>
internal sealed class SiloGroup : IAsyncDisposable
{
    private readonly List<SiloProcess> _silos = [];

    public IReadOnlyList<Uri> Gateways => [.. _silos.Select(silo => silo.Address)];

    public TimeSpan ProcessorTime => _silos.Aggregate(TimeSpan.Zero, (sum, silo) => sum + silo.ProcessorTime);

    public IReadOnlyList<SiloProcess> Silos => _silos;

    public static async Task<SiloGroup> Start(string root, DemoPlan plan, int count, CancellationToken cancellationToken, int http = 0)
    {
        var group = new SiloGroup();
        try
        {
            var ports = SiloProcess.FreePorts(2 * count);
            // All at once, so that the validators spread over all of them.
            var starting = Enumerable.Range(0, count).Select(i => SiloProcess.Start(
                root, $"silo-{i + 1}", new SiloPlan(root, ports[2 * i], ports[2 * i + 1], i == 0 ? http : 0, [.. plan.Participants.Select(participant => participant.Name)], 1, null, count), cancellationToken)).ToArray();
            // When one cannot start, the others are waited for all the same, so that they can be ended.
            await ((Task)Task.WhenAll(starting)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            group._silos.AddRange(starting.Where(silo => silo.IsCompletedSuccessfully).Select(silo => silo.Result));
            foreach (var silo in starting) await silo;
            return group;
        }
        catch
        {
            await group.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_silos.Select(silo => silo.DisposeAsync().AsTask()));
        _silos.Clear();
    }
}
