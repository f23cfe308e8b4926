using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.Training.Gateway.Transport;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Gateway.Validators;

/// <summary>A validator as a witness of other logs: c2sp.org/tlog-witness, with <c>/witness</c> as submission and monitoring prefix. Requests show who they are by the log's signature.</summary>
internal sealed class WitnessEndpoint(LogWitness witness) : IDisposable
{
    private const int RequestsAtOnce = 64;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly SemaphoreSlim _free = new(RequestsAtOnce);

    public void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapPost("/witness/add-checkpoint", Add);
        endpoints.MapGet("/witness/{origin}/checkpoint", http => Digest.TryParse((string?)http.Request.RouteValues["origin"], out var origin) && witness.Latest(origin) is { } note ? PlainAnswer.Give(http, note) : PlainAnswer.Refuse(http, ApiErrors.NotFound, "This witness has cosigned no checkpoint of such a log."));
    }

    public void Dispose() => _free.Dispose();

    private async Task Add(HttpContext http)
    {
        if (!await _free.WaitAsync(0))
        {
            await PlainAnswer.Refuse(http, ApiErrors.Unavailable, $"{RequestsAtOnce} checkpoints are being looked at already; try again.");
            return;
        }

        try
        {
            var (verdict, body) = await Body(http) is { } text ? await witness.Add(text, http.RequestAborted) : (WitnessVerdict.Malformed, "");
            http.Response.StatusCode = (int)verdict;
            http.Response.ContentType = verdict is WitnessVerdict.Conflict ? "text/x.tlog.size" : "text/plain; charset=utf-8";
            await http.Response.WriteAsync(verdict is WitnessVerdict.Cosign or WitnessVerdict.Conflict ? body : $"{verdict}\n", http.RequestAborted);
        }
        catch (OperationalException exception)
        {
            await PlainAnswer.Refuse(http, ApiErrors.Unavailable, exception.Message);
        }
        finally
        {
            _free.Release();
        }
    }

    private static async Task<string?> Body(HttpContext http)
    {
        var buffer = new byte[WitnessRequest.MaximumBytes + 1];
        var length = await http.Request.Body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, http.RequestAborted);
        try
        {
            return length < buffer.Length ? Utf8.GetString(buffer, 0, length) : null;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
