using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Grains.Links;
using Orleans.Training.Grains.Validators;

namespace Orleans.Training.Gateway.Validators;

/// <summary>Puts the endpoint of a validator into a web application.</summary>
public static class ValidatorExtensions
{
    /// <summary>Maps everything that a validator offers: links for other seats, submission, reading.</summary>
    /// <param name="endpoints">The application.</param>
    /// <param name="seat">The seat that lives here.</param>
    /// <param name="apiKeyFile">The keys that may read.</param>
    /// <param name="witness">Watches other logs; null for none.</param>
    /// <param name="witnesses">Those who watch this one; null for none.</param>
    public static void MapValidator(this IEndpointRouteBuilder endpoints, ValidatorSeat seat, string apiKeyFile, LogWitness? witness = null, Witnesses? witnesses = null)
    {
        var services = endpoints.ServiceProvider;
        var time = services.GetRequiredService<TimeProvider>();
        var keys = new ApiKeys(apiKeyFile, time);
        keys.Check();
        var relay = new Relay(time, services.GetRequiredService<ILogger<Relay>>());
        var links = new LinkEndpoint(shard => shard == seat.Genesis.Shard ? seat.Genesis : null, seat, relay);
        var reading = new ValidatorEndpoint(seat, keys, witnesses);
        var witnessing = witness is null ? null : new WitnessEndpoint(witness);
        links.Map(endpoints);
        reading.Map(endpoints);
        witnessing?.Map(endpoints);
        services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopped.Register(() =>
        {
            links.Dispose();
            reading.Dispose();
            witnessing?.Dispose();
            relay.Dispose();
        });
    }
}
