using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Placement;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Runtime.Placement;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Grains.Validators;

namespace Orleans.Training.Grains.Silos;

/// <summary>Turns a silo builder into a silo of this house.</summary>
public static class TrainingSiloExtensions
{
    /// <summary>The name of the grain storage, which is also the default one.</summary>
    public const string GrainStorage = "otrain";

    /// <summary>
    /// Configures membership, grain storage, reminders, endpoints, labels, placement and the journals of validators, and sets up the database before the silo starts.
    /// </summary>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">OT-7011: the options do not fit each other.</exception>
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
        builder.Configure<SiloMessagingOptions>(messaging => messaging.ResponseTimeout = options.ResponseTimeout);
        builder.ConfigureEndpoints(options.Address, options.SiloPort, options.GatewayPort, listenOnAnyHostAddress: false);
        builder.UseAdoNetClustering(provider => (provider.Invariant, provider.ConnectionString) = (database.Invariant, database.ConnectionString));
        builder.UseAdoNetReminderService(provider => (provider.Invariant, provider.ConnectionString) = (database.Invariant, database.ConnectionString));
        builder.AddAdoNetGrainStorageAsDefault(provider => (provider.Invariant, provider.ConnectionString) = (database.Invariant, database.ConnectionString));
        builder.AddAdoNetGrainStorage(GrainStorage, provider => (provider.Invariant, provider.ConnectionString) = (database.Invariant, database.ConnectionString));
        builder.Services.AddSingleton(services => new ValidatorStores(services.GetRequiredService<ShardFiles>(), options.PostgresConnectionString));
        builder.Services.AddSingleton(options);
        builder.UseSiloMetadata(new Dictionary<string, string>(options.Labels));
        builder.Services.AddSingleton<ShardFollowers>();
        builder.Services.AddPlacementDirector<SpreadEvenlyStrategy, SpreadEvenlyDirector>();
        builder.Services.AddPlacementFilter<RequireSiloMetadataStrategy, RequireSiloMetadataDirector>(ServiceLifetime.Transient);
        builder.Services.AddPlacementFilter<RequireParticipantStrategy, RequireParticipantDirector>(ServiceLifetime.Transient);
        return builder;
    }
}
