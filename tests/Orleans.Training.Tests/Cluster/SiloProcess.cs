using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Cluster;

/// <summary>Silos in this process over real loopback ports; each is a host of its own.</summary>
internal sealed class SiloProcess : IAsyncDisposable
{
    private readonly IHost _host;

    private SiloProcess(IHost host) => _host = host;

    public IGrainFactory Grains => _host.Services.GetRequiredService<IGrainFactory>();

    public IServiceProvider Services => _host.Services;

    public static async Task<SiloProcess> Start(string name, Action<TrainingSiloOptions> configure, string? role = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Critical);
        builder.UseOrleans(silo =>
        {
            silo.UseOrleansTraining(options =>
            {
                (options.SiloPort, options.GatewayPort) = (FreePort(), 0);
                if (role is not null) options.Labels["role"] = role;
                configure(options);
            });
            silo.Configure<SiloOptions>(options => options.SiloName = name);
        });
        var host = builder.Build();
        await host.StartAsync();
        return new SiloProcess(host);
    }

    /// <summary>Waits until this silo sees so many active ones.</summary>
    public async Task SeesActive(int silos)
    {
        var changes = _host.Services.GetRequiredService<IClusterMembershipService>();
        if (Active(changes.CurrentSnapshot) == silos) return;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await foreach (var snapshot in changes.MembershipUpdates.WithCancellation(limit.Token))
        {
            if (Active(snapshot) == silos) return;
        }
    }

    /// <summary>Stops without goodbye: the others must find out.</summary>
    public async Task Kill() => await _host.StopAsync(new CancellationToken(canceled: true));

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    private static int Active(ClusterMembershipSnapshot snapshot) => snapshot.Members.Values.Count(member => member.Status is SiloStatus.Active);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
