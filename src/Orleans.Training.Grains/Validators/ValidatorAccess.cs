using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>What others want of a validator, wherever it lives. Nothing that it says is believed without its signatures.</summary>
public abstract class ValidatorAccess
{
    /// <summary>Starts the seat if that is ours to do.</summary>
    public abstract Task Start();

    /// <summary>Hands in a signed transaction; gives the number of its rejection, 0 when it waits for a block.</summary>
    public abstract Task<int> Submit(byte[] transaction);

    /// <summary>Final blocks from a height on; waits a while when there are none yet, then gives none.</summary>
    public abstract Task<FinalBlocks> Follow(long height);

    /// <summary>The newest checkpoint that a quorum cosigned, as a signed note; null before the first.</summary>
    public abstract Task<string?> Checkpoint();
}

/// <summary>A validator in a silo of this cluster.</summary>
internal sealed class ValidatorInCluster(IValidatorGrain grain) : ValidatorAccess
{
    public override Task Start() => grain.Start();

    public override async Task<int> Submit(byte[] transaction) => (await grain.Submit([transaction]))[0];

    public override Task<FinalBlocks> Follow(long height) => grain.Follow(height);

    public override Task<string?> Checkpoint() => grain.Checkpoint();
}

/// <summary>A validator elsewhere, by its HTTP endpoint (docs/spec/links.md §7).</summary>
/// <param name="http">The client; not ours to dispose of.</param>
/// <param name="address">Where the validator listens.</param>
/// <param name="shard">The shard.</param>
/// <param name="apiKey">A key that may read there; null for an endpoint that asks for none.</param>
public sealed class ValidatorElsewhere(HttpClient http, Uri address, Identifier shard, string? apiKey) : ValidatorAccess
{
    private const int AnswerBytes = 64 * 1024;
    private readonly Uri _root = new(address.AbsoluteUri.TrimEnd('/') + $"/shards/{shard}/");

    /// <inheritdoc/>
    public override Task Start() => Task.CompletedTask;

    /// <inheritdoc/>
    public override async Task<int> Submit(byte[] transaction)
    {
        using var content = new ByteArrayContent(transaction);
        var answer = await Ask(HttpMethod.Post, "transactions", content, AnswerBytes, HttpStatusCode.UnprocessableEntity) ?? throw Strange();
        try
        {
            using var json = JsonDocument.Parse(answer);
            return json.RootElement.GetProperty("status").GetString() switch
            {
                "REJECTED" when json.RootElement.GetProperty("rejection").GetString() is ['O', 'T', '-', .. var digits] && int.TryParse(digits, out var number) && Enum.IsDefined((Rejection)number) => number,
                "COMMITTED" or "PENDING" => 0,
                _ => throw Strange(),
            };
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw Strange(exception);
        }
    }

    /// <inheritdoc/>
    public override async Task<FinalBlocks> Follow(long height)
    {
        if (await Ask(HttpMethod.Get, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"blocks/{height}"), null, Limits.MessageBytes) is not { Length: > 0 } answer) return new FinalBlocks([], null);
        return ConsensusMessage.TryParse(answer, out var message) && message is BlocksMessage blocks
            ? new FinalBlocks([.. blocks.Blocks.Select(block => block.Encode())], blocks.Final?.Encode().ToArray())
            : throw Strange();
    }

    /// <inheritdoc/>
    public override async Task<string?> Checkpoint() => await Ask(HttpMethod.Get, "checkpoint", null, AnswerBytes, HttpStatusCode.NotFound) is { } note ? System.Text.Encoding.UTF8.GetString(note) : null;

    // Null when the answer has no content: nothing there yet.
    private async Task<byte[]?> Ask(HttpMethod method, string path, HttpContent? content, int limit, HttpStatusCode? alsoGood = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(_root, path)) { Content = content };
        if (apiKey is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (response.StatusCode is HttpStatusCode.NotFound && alsoGood is HttpStatusCode.NotFound) return null;
        if (!response.IsSuccessStatusCode && response.StatusCode != alsoGood) throw new OperationalException("OT-7043", $"The validator at {address} answered {(int)response.StatusCode} to {method} {path}.");
        await using var body = await response.Content.ReadAsStreamAsync();
        var buffer = new MemoryStream();
        var chunk = new byte[64 * 1024];
        for (int read; (read = await body.ReadAsync(chunk)) > 0;)
        {
            if (buffer.Length + read > limit) throw Strange();
            buffer.Write(chunk, 0, read);
        }

        return buffer.ToArray();
    }

    private OperationalException Strange(Exception? inner = null) => new("OT-7043", $"The validator at {address} answered with something that no validator says.", inner);
}
