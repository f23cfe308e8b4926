using System.CommandLine;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Training.Gateway;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Grains.Silos;
using Orleans.Training.Trainer;
using Orleans.Training.Trainer.Grains;

namespace Orleans.Training.Cli;

/// <summary><c>otrain serve</c>: one silo, with the gateway beside it. Prints one line of JSON when it is ready, and ends when its standard input closes.</summary>
internal static class ServeCommand
{
    private static readonly TimeSpan SiloPatience = TimeSpan.FromSeconds(20);

    public static Command Create()
    {
        var data = new Option<string>("--data") { Description = "The folder of this machine: shards, keys, blobs, journals.", Required = true };
        var siloPort = new Option<int>("--silo-port") { Description = "Port for other silos.", Required = true };
        var clientPort = new Option<int>("--client-port") { Description = "Port for clients of Orleans.", Required = true };
        var http = new Option<int>("--http") { Description = "Port of the gateway on loopback; 0 for any." };
        var participants = new Option<string[]>("--participant") { Description = "A participant that has chosen this silo for its secrets; may stand several times.", AllowMultipleArgumentsPerToken = true };
        var threads = new Option<int>("--trainers") { Description = "Trainings that run at once, one thread each; 0 for a silo that gets no trainers.", DefaultValueFactory = _ => 1 };
        threads.Validators.Add(result => { if (result.GetValue(threads) < 0) result.AddError("--trainers must be 0 or more"); });
        var device = Device("--device", "Where this silo trains.");
        device.DefaultValueFactory = _ => "cpu";
        var trainOn = Device("--train-on", "Train only in silos with this device; to be said in all silos of the cluster. Without it, any device will do.");
        var constantTime = new Option<bool>("--constant-time") { Description = "Noise is drawn so that others on this machine cannot watch it: slower." };
        var postgres = new Option<string?>("--postgres") { Description = "Connection string of a PostgreSQL database for the cluster and the validators' journals, instead of SQLite and folders." };
        var silos = new Option<int>("--silos") { Description = "Silos to wait for before validators are started, so that they spread.", DefaultValueFactory = _ => 1 };
        var tls = new TlsArguments();
        var command = new Command("serve", "Runs one silo with the gateway.") { data, siloPort, clientPort, http, participants, threads, device, trainOn, constantTime, postgres, silos, tls.Certificate, tls.Key, tls.Authority, tls.Names };
        command.SetAction((parsed, cancellationToken) => Run(
            new SiloPlan(Path.GetFullPath(parsed.GetValue(data)!), parsed.GetValue(siloPort), parsed.GetValue(clientPort), parsed.GetValue(http), parsed.GetValue(participants) ?? [], parsed.GetValue(threads), parsed.GetValue(postgres), parsed.GetValue(silos), DeviceOf(parsed.GetValue(device)) ?? TrainingDevice.Cpu, DeviceOf(parsed.GetValue(trainOn)), tls.Read(parsed), parsed.GetValue(constantTime)), cancellationToken));
        return command;
    }

    private static Option<string?> Device(string name, string description)
    {
        var option = new Option<string?>(name) { Description = description };
        option.AcceptOnlyFromAmong("cpu", "cuda");
        return option;
    }

    private static TrainingDevice? DeviceOf(string? name) => name switch { null => null, "cuda" => TrainingDevice.Cuda, _ => TrainingDevice.Cpu };

    private static async Task<int> Run(SiloPlan plan, CancellationToken cancellationToken)
    {
        var files = new ShardFiles(plan.Data);
        var builder = WebHosting.Create(kestrel => kestrel.Listen(IPAddress.Loopback, plan.HttpPort));
        builder.Services.AddSingleton(files).AddSingleton<IBlobStore>(_ => new FileBlobStore(files.BlobFolder));
        var trainers = new TrainerSettings(plan.Data, plan.Trainers, plan.Device, plan.IsConstantTime);
        builder.Services.AddTrainers(trainers);
        builder.Services.AddOrleansTrainingGateway(gateway => GatewaySetup.Configure(gateway, plan.Data));
        builder.UseOrleans(silo => silo.UseOrleansTraining(options =>
        {
            options.DataFolder = plan.Data;
            options.PostgresConnectionString = plan.Postgres;
            options.Tls = plan.Tls;
            (options.SiloPort, options.GatewayPort) = (plan.SiloPort, plan.ClientPort);
            options.LabelTrainers(trainers);
            if (plan.TrainOn is { } needed) options.NeedTrainers(needed);
            foreach (var participant in plan.Participants) options.Labels[RequireParticipantAttribute.LabelOf(participant)] = "yes";
        }));
        await using var app = builder.Build();
        app.MapOrleansTrainingGateway();
        await app.StartAsync(cancellationToken);
        var grains = app.Services.GetRequiredService<IGrainFactory>();
        await WaitForSilos(grains, plan.Silos, cancellationToken);
        foreach (var shard in files.Shards) await grains.GetGrain<ILedgerShardGrain>(shard.ToString()).Start();
        Console.WriteLine(JsonLine.Of(("ready", true), ("http", WebHosting.AddressOf(app))));

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, app.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
        await WaitForEndOfInput(ended.Token);
        await app.StopAsync(CancellationToken.None);
        return ExitCode.Ok;
    }

    // Whoever starts a shard alone gets all of its validators. The others may also be late: then it goes on without them.
    private static async Task WaitForSilos(IGrainFactory grains, int silos, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(SiloPatience);
        try
        {
            while ((await grains.GetGrain<IManagementGrain>(0).GetHosts(onlyActive: true, patience.Token)).Count < silos) await Task.Delay(100, patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Late indeed.
        }
    }

    // A parent that dies closes the pipe, so that no silo outlives it.
    private static async Task WaitForEndOfInput(CancellationToken cancellationToken)
    {
        var buffer = new byte[64];
        await using var input = Console.OpenStandardInput();
        try
        {
            while (await input.ReadAsync(buffer, cancellationToken) > 0)
            {
                // Whatever it says, only its end counts.
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop by a signal.
        }
    }
}

/// <summary>What one silo process is told.</summary>
internal sealed record SiloPlan(string Data, int SiloPort, int ClientPort, int HttpPort, IReadOnlyList<string> Participants, int Trainers, string? Postgres, int Silos = 1, TrainingDevice Device = TrainingDevice.Cpu, TrainingDevice? TrainOn = null, SiloTlsOptions? Tls = null, bool IsConstantTime = false);
