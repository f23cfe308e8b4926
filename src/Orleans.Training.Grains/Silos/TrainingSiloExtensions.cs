using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Placement;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Runtime.Placement;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Grains.Participants;
using Orleans.Training.Grains.Validators;

namespace Orleans.Training.Grains.Silos;

/// <summary>Turns a silo builder into a silo of this house.</summary>
public static class TrainingSiloExtensions
{
    /// <summary>The name of the grain storage, which is also the default one.</summary>
    public const string GrainStorage = "otrain";

    // Headers hold ids and the request's context: far less.
    private const int HeaderBytes = 1024 * 1024;

    /// <summary>
    /// Configures membership, grain storage, reminders, endpoints, labels, placement and the journals of validators, and sets up the database before the silo starts.
    /// </summary>
    /// <exception cref="OptionsValidationException">OT-7011: the options do not fit each other.</exception>
    /// <exception cref="OperationalException">OT-7060: the files of TLS cannot be used.</exception>
    public static ISiloBuilder UseOrleansTraining(this ISiloBuilder builder, Action<TrainingSiloOptions> configure)
    {
        var options = new TrainingSiloOptions();
        configure(options);
        options.Validate();
        var database = ClusterDatabase.From(options);

        builder.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(database);
        builder.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (options.ClusterId, options.ServiceId));
        builder.Configure<ClusterMembershipOptions>(membership =>
        {
            membership.ProbeTimeout = options.ProbeTimeout;
            membership.NumMissedProbesLimit = options.MissedProbes;
            membership.TableRefreshTimeout = TimeSpan.FromSeconds(10);
            // When a whole cluster dies at once nobody is left to declare the dead dead: a silo that starts again ignores those
            // that have not said for three of these periods that they are alive.
            membership.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
            membership.NumMissedTableIAmAliveLimit = 3;
        });
        builder.Configure<SiloMessagingOptions>(messaging =>
        {
            messaging.ResponseTimeout = options.ResponseTimeout;
            messaging.MaxMessageBodySize = options.MaximumMessageBytes;
            messaging.MaxMessageHeaderSize = HeaderBytes;
        });
        if (options.Tls is not null) builder.UseTls(options.Tls);
        builder.ConfigureEndpoints(options.Address, options.SiloPort, options.GatewayPort, listenOnAnyHostAddress: false);
        builder.UseAdoNetClustering(provider => (provider.Invariant, provider.ConnectionString) = (database.Invariant, database.ConnectionString));
        builder.UseAdoNetReminderService(provider => (provider.Invariant, provider.ConnectionString) = (database.Invariant, database.ConnectionString));
        builder.AddAdoNetGrainStorageAsDefault(provider => (provider.Invariant, provider.ConnectionString) = (database.Invariant, database.ConnectionString));
        builder.AddAdoNetGrainStorage(GrainStorage, provider => (provider.Invariant, provider.ConnectionString) = (database.Invariant, database.ConnectionString));
        builder.Services.AddSingleton(services => new ValidatorStores(services.GetRequiredService<ShardFiles>(), options.PostgresConnectionString));
        builder.Services.AddSingleton(options);
        builder.UseSiloMetadata(new Dictionary<string, string>(options.Labels));
        builder.Services.AddSingleton<ShardFollowers>();
        builder.Services.AddSingleton(services => new MaskedParticipants(
            services.GetRequiredService<ShardFollowers>(), services.GetRequiredService<ShardFiles>(), services.GetRequiredService<IBlobStore>(), services.GetRequiredService<IGrainFactory>(),
            services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<MaskedParticipants>>()));
        builder.Services.AddPlacementDirector<SpreadEvenlyStrategy, SpreadEvenlyDirector>();
        builder.Services.AddPlacementFilter<RequireSiloMetadataStrategy, RequireSiloMetadataDirector>(ServiceLifetime.Transient);
        builder.Services.AddPlacementFilter<RequireParticipantStrategy, RequireParticipantDirector>(ServiceLifetime.Transient);
        return builder;
    }

    /// <summary>Lets a client of Orleans, outside of the silos, talk to silos that have <see cref="TrainingSiloOptions.Tls"/>.</summary>
    /// <exception cref="OptionsValidationException">OT-7011: the options do not fit each other.</exception>
    /// <exception cref="OperationalException">OT-7060: the files cannot be used.</exception>
    public static IClientBuilder UseTrainingTls(this IClientBuilder builder, SiloTlsOptions tls)
    {
        var failures = tls.Failures().ToList();
        if (failures.Count > 0) throw new OptionsValidationException(nameof(SiloTlsOptions), typeof(SiloTlsOptions), failures);
        var credentials = new TlsCredentials(tls);
        builder.Services.AddOptions<ClientConnectionOptions>().Configure<ILogger<TlsMiddleware>>((connections, logger) => connections.ConfigureConnection(new TlsMiddleware(credentials, tls.HandshakeTimeout, logger).UseClient));
        return builder;
    }

    private static void UseTls(this ISiloBuilder builder, SiloTlsOptions tls)
    {
        var credentials = new TlsCredentials(tls);
        builder.Services.AddOptions<SiloConnectionOptions>().Configure<ILogger<TlsMiddleware>>((connections, logger) =>
        {
            var middleware = new TlsMiddleware(credentials, tls.HandshakeTimeout, logger);
            connections.ConfigureSiloInboundConnection(middleware.UseServer);
            connections.ConfigureSiloOutboundConnection(middleware.UseClient);
            connections.ConfigureGatewayInboundConnection(middleware.UseServer);
        });
    }
}
