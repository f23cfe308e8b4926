using GraphQL;
using GraphQL.Execution;
using GraphQL.SystemTextJson;
using GraphQL.Types;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans.Training.Gateway.Graph;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Gateway.Transport;
using Orleans.Training.Gateway.Validators;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway;

/// <summary>Puts the API into a web application that has an <see cref="IGrainFactory"/>, <c>ShardFiles</c> and an <c>IBlobStore</c>.</summary>
public static class GatewayExtensions
{
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(20);

    /// <summary>Registers the gateway; options are checked when the host starts.</summary>
    public static IServiceCollection AddOrleansTrainingGateway(this IServiceCollection services, Action<GatewayOptions> configure)
    {
        services.AddOptions<GatewayOptions>().Configure(configure).ValidateOnStart();
        services.AddSingleton<IValidateOptions<GatewayOptions>, GatewayOptionsValidator>();
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(provider => new ApiKeys(provider.GetRequiredService<IOptions<GatewayOptions>>().Value.ApiKeyFile, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<Federations>();
        services.AddSingleton<EventSource>();
        services.AddSingleton<Executor>();
        services.AddSingleton<HttpTransport>();
        services.AddSingleton<SocketTransport>();
        services.AddSingleton<BlobEndpoint>();
        services.AddSingleton<LogEndpoint>();
        services.AddSingleton<Relay>();
        services.AddSingleton(provider => new LinkEndpoint(Genesis(provider), seat: null, provider.GetRequiredService<Relay>()));
        services.AddHostedService<StartCheck>();
        services.AddRouting();
        services.AddGraphQL(graph => graph
            .AddAutoSchema<Query>(schema => schema.WithMutation<Mutation>().WithSubscription<Subscription>())
            .AddGraphTypes(typeof(GatewayExtensions).Assembly)
            .ConfigureSchema(Complete)
            .AddSystemTextJson(json => json.Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping)
            .AddErrorInfoProvider<Transport.ErrorInfo>()
            .AddValidationRule<AuthorisationRule>(useForCachedDocuments: true));
        return services;
    }

    /// <summary>Maps <c>/graphql</c>, <c>/blobs/{root}</c>, <c>/healthz</c>, the log of every shard as tiles, and the relay for seats that live elsewhere.</summary>
    public static IEndpointRouteBuilder MapOrleansTrainingGateway(this IEndpointRouteBuilder endpoints)
    {
        var http = endpoints.ServiceProvider.GetRequiredService<HttpTransport>();
        var sockets = endpoints.ServiceProvider.GetRequiredService<SocketTransport>();
        var blobs = endpoints.ServiceProvider.GetRequiredService<BlobEndpoint>();
        var graph = endpoints.CreateApplicationBuilder();
        graph.UseWebSockets(new WebSocketOptions { KeepAliveInterval = KeepAlive, KeepAliveTimeout = KeepAlive });
        graph.Run(context => context.WebSockets.IsWebSocketRequest ? sockets.Handle(context) : http.Handle(context));
        endpoints.Map("/graphql", graph.Build());
        endpoints.MapMethods("/blobs/{root}", ["GET", "HEAD"], blobs.Handle);
        endpoints.ServiceProvider.GetRequiredService<LogEndpoint>().Map(endpoints);
        endpoints.ServiceProvider.GetRequiredService<LinkEndpoint>().Map(endpoints);
        endpoints.MapGet("/healthz", () => Results.Text("ok"));
        return endpoints;
    }

    /// <summary>The id of the federation whose ledger is this shard.</summary>
    public static string FederationId(Identifier shard) => GlobalId.Of(GlobalId.Federation, shard);

    private static Func<Identifier, Protocol.Ledger.Genesis?> Genesis(IServiceProvider provider)
    {
        var (options, files) = (provider.GetRequiredService<IOptions<GatewayOptions>>().Value, provider.GetRequiredService<ShardFiles>());
        return shard => options.Shards.Contains(shard) ? files.Genesis(shard) : null;
    }

    private static void Complete(ISchema schema)
    {
        schema.RegisterType<AutoRegisteringObjectGraphType<SubmissionError>>();
        schema.RegisterTypeMapping<long, Int64Scalar>();
        schema.RegisterTypeMapping<ReadOnlyMemory<byte>, Base64Scalar>();
        schema.RegisterTypeMapping<Digest, DigestScalar>();
        schema.RegisterTypeMapping<DateTimeOffset, InstantScalar>();
    }

    // Fails the start when a genesis or the key file is not what it should be.
    private sealed class StartCheck(Federations federations, ApiKeys keys) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            ArgumentNullException.ThrowIfNull(federations);
            keys.Check();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
