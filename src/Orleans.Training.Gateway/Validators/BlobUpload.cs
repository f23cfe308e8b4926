using System.Buffers;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Orleans.Training.Gateway.Transport;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway.Validators;

/// <summary>
/// How a validator takes blobs: whole, or so that an upload that broke off goes on (docs/spec/links.md §7). For that the hashes of its chunks come first, and each chunk is checked and kept when it comes; offsets are told as in
/// draft-ietf-httpbis-resumable-upload.
/// </summary>
internal sealed class BlobUpload(IBlobStore blobs)
{
    private const string Offset = "Upload-Offset";
    private const string Complete = "Upload-Complete";

    /// <summary>PUT: all of it at once.</summary>
    public Task Put(HttpContext http, Digest root) => Storing(http, async () =>
    {
        await blobs.Put(http.Request.Body, root, http.RequestAborted);
        http.Response.StatusCode = StatusCodes.Status204NoContent;
    });

    /// <summary>PUT of the hashes: begins, or finds what is here already.</summary>
    public Task Begin(HttpContext http, Digest root) => Storing(http, async () =>
    {
        if (!long.TryParse(http.Request.Query["length"], NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length > FileBlobStore.DefaultMaximumBytes) throw new OperationalException("OT-4024", $"'length' is the number of bytes of the content, at most {FileBlobStore.DefaultMaximumBytes}.");
        if (await blobs.Find(root, http.RequestAborted) is { } stored)
        {
            Tell(http, stored.Length, isComplete: true);
            return;
        }

        var leaves = new byte[(length + Limits.ChunkBytes - 1) / Limits.ChunkBytes * Digest.Size];
        var read = await http.Request.Body.ReadAtLeastAsync(leaves, leaves.Length, throwOnEndOfStream: false, http.RequestAborted);
        using var partial = await blobs.Begin(root, length, leaves.AsMemory(0, read), http.RequestAborted);
        await End(http, partial);
    });

    /// <summary>HEAD of what is not here yet: how much of it is.</summary>
    public async Task<bool> Tell(HttpContext http, Digest root)
    {
        using var partial = await blobs.Resume(root, http.RequestAborted);
        if (partial is null) return false;
        Tell(http, OffsetOf(partial), isComplete: false);
        return true;
    }

    /// <summary>PATCH: more of it, from the first chunk that is missing.</summary>
    public Task Append(HttpContext http, Digest root) => Storing(http, async () =>
    {
        using var partial = await blobs.Resume(root, http.RequestAborted);
        if (partial is null)
        {
            await PlainAnswer.Refuse(http, ApiErrors.NotFound, "Nothing was begun under this name, or somebody else goes on with it: send the hashes of its chunks first.");
            return;
        }

        if (!long.TryParse(http.Request.Headers[Offset], NumberStyles.None, CultureInfo.InvariantCulture, out var offset) || offset != OffsetOf(partial))
        {
            Tell(http, OffsetOf(partial), isComplete: false);
            http.Response.StatusCode = StatusCodes.Status409Conflict;
            return;
        }

        await Take(http, partial);
        await End(http, partial);
    });

    private static async Task Take(HttpContext http, PartialBlob partial)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Limits.ChunkBytes);
        try
        {
            var memory = buffer.AsMemory(0, Limits.ChunkBytes);
            // When the client is gone, what has come from it is kept all the same.
            for (var chunk = partial.NextMissing(0); await http.Request.Body.ReadAtLeastAsync(memory, memory.Length, throwOnEndOfStream: false, CancellationToken.None) is var read and > 0; chunk++)
            {
                if (!await partial.TryWrite(chunk, memory[..read], CancellationToken.None)) throw new OperationalException("OT-4023", $"Chunk {chunk} is not what its hash says; those before it are kept.");
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task End(HttpContext http, PartialBlob partial)
    {
        var isComplete = partial.NextMissing(0) == partial.Chunks;
        if (isComplete) await blobs.Finish(partial, http.RequestAborted);
        Tell(http, isComplete ? partial.Length : OffsetOf(partial), isComplete);
    }

    private static long OffsetOf(PartialBlob partial) => (long)partial.NextMissing(0) * Limits.ChunkBytes;

    private static void Tell(HttpContext http, long offset, bool isComplete)
    {
        http.Response.Headers[Offset] = offset.ToString(CultureInfo.InvariantCulture);
        http.Response.Headers[Complete] = isComplete ? "?1" : "?0";
        http.Response.Headers.CacheControl = "no-store";
        http.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static async Task Storing(HttpContext http, Func<Task> store)
    {
        try
        {
            await store();
        }
        catch (OperationalException exception)
        {
            await PlainAnswer.Refuse(http, exception.Code switch { "OT-4024" => ApiErrors.TooLarge, "OT-4025" => ApiErrors.Unavailable, _ => ApiErrors.BadRequest }, exception.Message);
        }
        catch (IOException exception) when (DiskSpace.IsMissing(exception))
        {
            await PlainAnswer.Refuse(http, ApiErrors.Unavailable, "OT-4007 the disk of this validator is full; store the blob with another one.");
        }
    }
}
