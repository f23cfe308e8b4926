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
using Orleans.Metadata;
using Orleans.Runtime;
using Orleans.Training.Gateway;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Contracts;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Grains.Silos;
using Orleans.Training.Protocol;
using Orleans.Training.Trainer.Grains;

namespace Orleans.Training.EndToEnd;

/// <summary>A silo with its gateway in this process, on real loopback ports: what <c>serve</c> is.</summary>
internal sealed class GatewayHost : IAsyncDisposable
{
    private readonly WebApplication _app;

    private readonly Identifier _shard;
    private readonly string _keyFile;

    private GatewayHost(WebApplication app, Identifier shard, string keyFile) => (_app, _shard, _keyFile) = (app, shard, keyFile);

    public IServiceProvider Services => _app.Services;

    public IGrainFactory Grains => _app.Services.GetRequiredService<IGrainFactory>();

    public ILedgerShardGrain Shard => Grains.GetGrain<ILedgerShardGrain>(_shard.ToString());

    public IContractsGrain Contracts => Grains.GetGrain<IContractsGrain>(_shard.ToString());

    public IBlobStore Blobs => _app.Services.GetRequiredService<IBlobStore>();

    public Uri Url => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    /// <summary>Starts on the folder of a federation, chosen by these participants.</summary>
    public static async Task<GatewayHost> Start(string folder, Identifier shard, string name, string[] participants, Action<Gateway.GatewayOptions>? configure = null, Action<TrainingSiloOptions>? place = null)
    {
        var (files, keyFile) = (new ShardFiles(folder), Path.Combine(folder, "api-keys.json"));
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.SetMinimumLevel(LogLevel.Critical);
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(files);
        builder.Services.AddTrainers(new TrainerSettings(folder, 1));
        builder.Services.AddSingleton<IBlobStore>(new FileBlobStore(files.BlobFolder));
        builder.Services.AddOrleansTrainingGateway(options =>
        {
            options.Shards.Add(shard);
            options.ApiKeyFile = keyFile;
            configure?.Invoke(options);
        });
        builder.UseOrleans(silo =>
        {
            silo.UseOrleansTraining(options =>
            {
                (options.SiloPort, options.GatewayPort, options.DataFolder) = (FreePort(), 0, folder);
                foreach (var participant in participants) options.Labels[RequireParticipantAttribute.LabelOf(participant)] = "yes";
                place?.Invoke(options);
            });
            silo.Configure<SiloOptions>(options => options.SiloName = name);
        });
        var app = builder.Build();
        app.UseRouting();
        app.MapOrleansTrainingGateway();
        await app.StartAsync();
        return new GatewayHost(app, shard, keyFile);
    }

    /// <summary>A new key for this federation, or for others.</summary>
    public string CreateKey(string tenant = "demo", string[]? scopes = null, TimeProvider? time = null, params Identifier[] shards) =>
        ApiKeys.Create(_keyFile, tenant, shards.Length > 0 ? shards : [_shard], scopes ?? [.. Scopes.All], time ?? TimeProvider.System);

    /// <summary>Waits until this silo sees so many active ones.</summary>
    public async Task SeesActive(int silos)
    {
        var membership = _app.Services.GetRequiredService<IClusterMembershipService>();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        if (Active(membership.CurrentSnapshot) != silos)
        {
            await foreach (var snapshot in membership.MembershipUpdates.WithCancellation(limit.Token))
            {
                if (Active(snapshot) == silos) break;
            }
        }

        // Grains are placed on a silo only once its manifest is known here, which is a moment later.
        var manifests = _app.Services.GetRequiredService<IClusterManifestProvider>();
        if (manifests.Current.Silos.Count >= silos) return;
        await foreach (var manifest in manifests.Updates.WithCancellation(limit.Token))
        {
            if (manifest.Silos.Count >= silos) return;
        }
    }

    public SiloAddress Address => _app.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress;

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
