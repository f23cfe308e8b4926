using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Gateway.Transport;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Gateway.Validators;

/// <summary>
/// What a validator offers over HTTP (docs/spec/links.md §7): anybody may submit a signed transaction and learn what became of it; holders of an API key read the log as
/// c2sp.org/tlog-tiles, receipts, blocks and blobs.
/// </summary>
internal sealed class ValidatorEndpoint(ValidatorSeat seat, ApiKeys keys, Witnesses? witnesses) : IDisposable
{
    private const int SubmissionsAtOnce = 256;
    private readonly SemaphoreSlim _submissions = new(SubmissionsAtOnce);
    private readonly BlobUpload _uploads = new(seat.Blobs);

    public void Map(IEndpointRouteBuilder endpoints)
    {
        const string shard = "/shards/{shard}/";
        endpoints.MapGet("/healthz", http => PlainAnswer.Give(http, "ok\n"));
        endpoints.MapPost(shard + "transactions", http => OfThisShard(http, Submit));
        endpoints.MapGet(shard + "genesis", http => Read(http, () => PlainAnswer.Give(http, seat.Genesis.Encode(), forEver: true)));
        endpoints.MapGet(shard + "policy", http => Read(http, () => PlainAnswer.Give(http, TrustPolicy.Text(seat.Genesis.Origin, seat.Members.Present))));
        endpoints.MapGet(shard + "governance", http => Read(http, () => PlainAnswer.Give(http, GovernanceState.Of(LedgerState.Of(seat.Chain.Head)).Encode(), forEver: false)));
        endpoints.MapGet(shard + "evidence", http => Read(http, () => PlainAnswer.Give(http, string.Concat(seat.Evidence.Proofs.Keys.Select(name => name + "\n")))));
        endpoints.MapGet(shard + "evidence/{name}", http => Read(http, () => seat.Evidence.Proofs.TryGetValue((string)http.Request.RouteValues["name"]!, out var proof) ? PlainAnswer.Give(http, proof.Encode(), forEver: false) : Missing(http)));
        endpoints.MapGet(shard + "watched/{origin}", http => Read(http, () => Watched(http)));
        endpoints.MapGet(shard + "checkpoint", http => Read(http, () => (witnesses is null ? seat.Checkpoint : witnesses.Newest) is { } note ? PlainAnswer.Give(http, note.ToString()) : Missing(http)));
        endpoints.MapGet(shard + "tile/{**path}", http => Read(http, () => Tile(http)));
        endpoints.MapGet(shard + "receipts/{index}", http => Read(http, () => Receipt(http)));
        endpoints.MapGet(shard + "statements/{agreement}/{round}", http => Read(http, () => Statement(http)));
        endpoints.MapGet(shard + "blocks/{height}", http => Read(http, () => Blocks(http)));
        endpoints.MapGet(shard + "snapshot", http => Read(http, () => seat.Attested is { } offer ? PlainAnswer.Give(http, offer.Encode(), forEver: false) : Missing(http)));
        endpoints.MapMethods("/blobs/{root}", ["GET", "HEAD"], http => Read(http, () => Named(http, Blob)));
        endpoints.MapPut("/blobs/{root}", http => Allowed(http, Scopes.Submit, () => Named(http, _uploads.Put)));
        endpoints.MapPut("/blobs/{root}/leaves", http => Allowed(http, Scopes.Submit, () => Named(http, _uploads.Begin)));
        endpoints.MapPatch("/blobs/{root}", http => Allowed(http, Scopes.Submit, () => Named(http, _uploads.Append)));
    }

    public void Dispose() => _submissions.Dispose();

    private Task OfThisShard(HttpContext http, Func<HttpContext, Task> serve) =>
        http.Request.RouteValues["shard"] is null || Identifier.TryParse((string?)http.Request.RouteValues["shard"], out var shard) && shard == seat.Genesis.Shard ? serve(http) : Missing(http);

    private Task Read(HttpContext http, Func<Task> serve) => Allowed(http, Scopes.Read, serve);

    private Task Allowed(HttpContext http, string scope, Func<Task> serve)
    {
        if (Bearer.Find(keys, http.Request, out var refusal) is not { } caller) return PlainAnswer.Refuse(http, refusal!.Code!, refusal.Message);
        if (!caller.Shards.Contains(seat.Genesis.Shard)) return Missing(http);
        return caller.Scopes.Contains(scope) ? OfThisShard(http, _ => serve()) : PlainAnswer.Refuse(http, ApiErrors.Forbidden, $"The API key lacks the scope {scope}.");
    }

    private static Task Missing(HttpContext http) => PlainAnswer.Refuse(http, ApiErrors.NotFound, "There is no such thing here.");

    private async Task Submit(HttpContext http)
    {
        if (await Body(http) is not { } transaction)
        {
            await PlainAnswer.Refuse(http, ApiErrors.TooLarge, $"A transaction has at most {Limits.TransactionBytes} bytes.");
            return;
        }

        if (!await _submissions.WaitAsync(0))
        {
            await PlainAnswer.Refuse(http, ApiErrors.Unavailable, "Too many submissions at this moment; try again, or ask another validator.");
            return;
        }

        try
        {
            await Answer(http, transaction, (await seat.Submit([transaction]))[0]);
        }
        catch (OperationalException exception)
        {
            await PlainAnswer.Refuse(http, ApiErrors.Unavailable, exception.Message);
        }
        finally
        {
            _submissions.Release();
        }
    }

    // Exactly as long as it is: it may wait in the pool among many. Null when it is too long.
    private static async Task<byte[]?> Body(HttpContext http)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Limits.TransactionBytes + 1);
        try
        {
            var length = await http.Request.Body.ReadAtLeastAsync(buffer.AsMemory(0, Limits.TransactionBytes + 1), Limits.TransactionBytes + 1, throwOnEndOfStream: false, http.RequestAborted);
            return length > Limits.TransactionBytes ? null : buffer[..length];
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // Whoever has the bytes may know what became of them; the same bytes may be sent again and again.
    private Task Answer(HttpContext http, ReadOnlyMemory<byte> transaction, Rejection rejection)
    {
        if (rejection is not (Rejection.None or Rejection.Duplicate)) return Write("REJECTED", rejection, null, null);
        Transaction.TryParse(transaction, out var parsed);
        if (!LedgerState.Of(seat.Chain.Head).Recent.TryGetValue(new TransactionKey(parsed!.Payload.Actor, parsed.Payload.Id), out var committed)) return Write("PENDING", Rejection.None, null, null);
        if (seat.Chain.Locate(committed.Index) is not var (block, position)) return PlainAnswer.Refuse(http, ApiErrors.Unavailable, "This validator has joined a moment ago, and what lies before is still being fetched; ask another, or later.");
        var result = Leaf.TryParse(block.Leaves[position], out var leaf) ? ((Entry)leaf!).Result : Rejection.Malformed;
        var receipt = ReceiptOf(committed.Index);
        return Write(result is Rejection.None ? "COMMITTED" : "REJECTED", result, committed.Index, receipt);

        Task Write(string status, Rejection why, long? index, Receipt? proof)
        {
            http.Response.StatusCode = status is "REJECTED" ? StatusCodes.Status422UnprocessableEntity : StatusCodes.Status200OK;
            http.Response.ContentType = "application/json";
            http.Response.Headers.CacheControl = "no-store";
            var number = why is Rejection.None ? null : string.Create(CultureInfo.InvariantCulture, $"OT-{(int)why:D4}");
            return http.Response.WriteAsync(JsonSerializer.Serialize(new { status, rejection = number, index, receipt = proof?.ToString() }), http.RequestAborted);
        }
    }

    private Task Tile(HttpContext http) =>
        LogTile.TryParse($"tile/{http.Request.RouteValues["path"]}", out var tile) && seat.Chain.Read(tile) is { } content ? PlainAnswer.Give(http, content, forEver: true) : Missing(http);

    private Task Receipt(HttpContext http) =>
        TryNumber(http, "index", out var index) && ReceiptOf(index) is { } receipt ? PlainAnswer.Give(http, receipt.ToString()) : Missing(http);

    private Task Watched(HttpContext http) => Digest.TryParse((string?)http.Request.RouteValues["origin"], out var origin) && LedgerState.Of(seat.Chain.Head).Contracts.Find<WatchedRecord>(WatchedRecord.Prefix + origin) is { } record
        ? PlainAnswer.Give(http, record.Encode(), forEver: false) : Missing(http);

    private Receipt? ReceiptOf(long index) => (witnesses is null ? seat.Checkpoint : witnesses.Covering(index)) is { } note ? seat.Chain.Receipt(index, note) : null;

    private async Task Statement(HttpContext http)
    {
        var bundle = Digest.TryParse((string?)http.Request.RouteValues["agreement"], out var agreement) && TryNumber(http, "round", out var round) && round is > 0 and <= Limits.Rounds ? await seat.Statement(agreement, (int)round, http.RequestAborted) : null;
        await (bundle is null ? Missing(http) : PlainAnswer.Give(http, bundle, forEver: false));
    }

    private async Task Blocks(HttpContext http)
    {
        if (!TryNumber(http, "height", out var height))
        {
            await Missing(http);
            return;
        }

        FinalBlocks final;
        try
        {
            final = await seat.Follow(height, http.RequestAborted);
        }
        catch (OperationalException exception)
        {
            await PlainAnswer.Refuse(http, ApiErrors.Unavailable, exception.Message);
            return;
        }

        var blocks = final.Blocks.Select(bytes => Block.TryParse(bytes, out var block) ? block! : throw new InvalidOperationException("A final block does not parse.")).ToArray();
        await PlainAnswer.Give(http, blocks.Length == 0 ? default : BlocksMessage.Fitting(Certificate.TryParse(final.Finalization, out var certificate) ? certificate : null, blocks).Encode(), forEver: false);
    }

    private static Task Named(HttpContext http, Func<HttpContext, Digest, Task> serve) => Digest.TryParse((string?)http.Request.RouteValues["root"], out var root) ? serve(http, root) : Missing(http);

    private async Task Blob(HttpContext http, Digest root)
    {
        if (await seat.Blobs.Find(root, http.RequestAborted) is { } blob) await RangedBlob.Serve(http, seat.Blobs, blob);
        else if (!HttpMethods.IsHead(http.Request.Method) || !await _uploads.Tell(http, root)) await Missing(http);
    }

    private static bool TryNumber(HttpContext http, string name, out long number) => long.TryParse((string?)http.Request.RouteValues[name], NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
