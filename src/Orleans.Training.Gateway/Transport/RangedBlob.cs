using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Orleans.Training.Grains.Blobs;

namespace Orleans.Training.Gateway.Transport;

/// <summary>Answers with a blob, or with the one range of it that was asked for (RFC 9110 §14), so that a download that broke off goes on. The name is its strong validator: under it there is never another content.</summary>
internal static class RangedBlob
{
    public static async Task Serve(HttpContext http, IBlobStore blobs, StoredBlob blob)
    {
        var (response, tag) = (http.Response, new EntityTagHeaderValue($"\"{blob.Name}\""));
        response.ContentType = "application/octet-stream";
        response.Headers.ETag = tag.ToString();
        response.Headers.AcceptRanges = "bytes";
        response.Headers.CacheControl = "private, max-age=31536000, immutable";
        var (from, count) = (0L, blob.Length);
        if (Wanted(http, tag) is { } range)
        {
            // The last so many bytes, or from one on, perhaps to another.
            from = range.From ?? Math.Max(0, blob.Length - range.To!.Value);
            var end = range.From is null ? blob.Length : Math.Min(blob.Length, (range.To ?? (blob.Length - 1)) + 1);
            if (from >= end)
            {
                response.StatusCode = StatusCodes.Status416RangeNotSatisfiable;
                response.Headers.ContentRange = new ContentRangeHeaderValue(blob.Length).ToString();
                response.ContentLength = 0;
                return;
            }

            count = end - from;
            response.StatusCode = StatusCodes.Status206PartialContent;
            response.Headers.ContentRange = new ContentRangeHeaderValue(from, end - 1, blob.Length).ToString();
        }

        response.ContentLength = count;
        if (!HttpMethods.IsHead(http.Request.Method)) await blobs.CopyTo(blob.Name, response.Body, from, count, http.RequestAborted);
    }

    // Several ranges, other units and a condition about another content get the whole.
    private static RangeItemHeaderValue? Wanted(HttpContext http, EntityTagHeaderValue tag)
    {
        var headers = http.Request.GetTypedHeaders();
        if (headers.Range is not { Unit.Value: "bytes", Ranges.Count: 1 } asked) return null;
        return headers.IfRange is null || headers.IfRange.EntityTag?.Compare(tag, useStrongComparison: true) is true ? asked.Ranges.First() : null;
    }
}
