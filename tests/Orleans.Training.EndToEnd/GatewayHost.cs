using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Training.Gateway;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.EndToEnd;

/// <summary>A silo with its gateway in this process, on real loopback ports: what <c>serve</c> is.</summary>
internal sealed class GatewayHost : IAsyncDisposable
{
    private readonly WebApplication _app;

    private GatewayHost(WebApplication app, TestFederation federation) => (_app, Federation) = (app, federation);

    public TestFederation Federation { get; }

    public IServiceProvider Services => _app.Services;

    public IGrainFactory Grains => _app.Services.GetRequiredService<IGrainFactory>();

    public ILedgerShardGrain Shard => Grains.GetGrain<ILedgerShardGrain>(Federation.Shard.ToString());

    public IBlobStore Blobs => _app.Services.GetRequiredService<IBlobStore>();

    public Uri Url => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    public static async Task<GatewayHost> Start(TestFederation federation, string name, string[] participants, Action<Gateway.GatewayOptions>? configure = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.SetMinimumLevel(LogLevel.Critical);
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(federation.Files);
        builder.Services.AddSingleton<IBlobStore>(new FileBlobStore(federation.Files.BlobFolder));
        builder.Services.AddOrleansTrainingGateway(options =>
        {
            options.Shards.Add(federation.Shard);
            options.ApiKeyFile = federation.KeyFile;
            configure?.Invoke(options);
        });
        builder.UseOrleans(silo =>
        {
            silo.UseOrleansTraining(options =>
            {
                (options.SiloPort, options.GatewayPort, options.DataFolder) = (FreePort(), 0, federation.Folder);
                foreach (var participant in participants) options.Labels[RequireParticipantAttribute.LabelOf(participant)] = "yes";
            });
            silo.Configure<SiloOptions>(options => options.SiloName = name);
        });
        var app = builder.Build();
        app.UseRouting();
        app.MapOrleansTrainingGateway();
        await app.StartAsync();
        return new GatewayHost(app, federation);
    }

    /// <summary>A new key for this federation, or for others.</summary>
    public string CreateKey(string tenant = "demo", string[]? scopes = null, TimeProvider? time = null, params Protocol.Identifier[] shards) =>
        ApiKeys.Create(Federation.KeyFile, tenant, shards.Length > 0 ? shards : [Federation.Shard], scopes ?? [.. Scopes.All], time ?? TimeProvider.System);

    /// <summary>Waits until this silo sees so many active ones.</summary>
    public async Task SeesActive(int silos)
    {
        var membership = _app.Services.GetRequiredService<IClusterMembershipService>();
        if (Active(membership.CurrentSnapshot) == silos) return;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await foreach (var snapshot in membership.MembershipUpdates.WithCancellation(limit.Token))
        {
            if (Active(snapshot) == silos) return;
        }
    }

    public SiloAddress Address => _app.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress;

    /// <summary>Stops without goodbye: the others must find out.</summary>
    public async Task Kill() => await _app.StopAsync(new CancellationToken(canceled: true));

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await _app.StopAsync(limit.Token);
        await _app.DisposeAsync();
    }

    private static int Active(ClusterMembershipSnapshot snapshot) => snapshot.Members.Values.Count(member => member.Status is SiloStatus.Active);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
