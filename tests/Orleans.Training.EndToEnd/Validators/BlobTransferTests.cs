using System.Net;
using System.Net.Http.Headers;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Foreign;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Transfers over HTTP that break off and go on, with a validator that is killed between.</summary>
public sealed class BlobTransferTests
{
    private const int Chunk = Limits.ChunkBytes;

    [Fact]
    public async Task AnUpload_GoesOn_WhereItBrokeOff_AndAfterAKill()
    {
        using var folder = new TemporaryFolder();
        await using var federation = await SeatFederation.Create();
        var seat = federation.Seats[0];
        await seat.Start(federation.AllPeers(seat));
        var content = new byte[(20 * Chunk) + 5];
        new Random(3).NextBytes(content);
        File.WriteAllBytes(folder["content"], content);
        var name = ChunkedBlob.Root(content);
        string Upload(params string[] more) => ForeignTool.PythonProgram(0, "upload.py", [seat.Address.AbsoluteUri, seat.ApiKey, folder["content"], .. more]);

        Assert.Equal("from 0\n", Upload($"{5 * Chunk}"));
        // In the middle of a request: some of what was sent by then has come, in whole chunks.
        Assert.Equal($"from {5 * Chunk}\n", Upload($"{(3 * Chunk) + 1000}", "cut"));
        var offset = long.Parse(Upload($"{Chunk}").Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Contains(offset, Enumerable.Range(5, 4).Select(chunk => (long)chunk * Chunk));
        await seat.Kill();
        await seat.Start(federation.AllPeers(seat));
        using var http = new HttpClient { BaseAddress = seat.Address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", seat.ApiKey);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync($"blobs/{name}")).StatusCode);
        Assert.Equal($"from {offset + Chunk}\nstored {name}\n", Upload());
        Assert.Equal(content, await http.GetByteArrayAsync($"blobs/{name}"));
        Assert.Equal($"from {content.Length}\n", Upload("0"));
    }

    [Fact]
    public async Task WhatIsNotTheNamedContent_IsRefused_ChunkByChunk()
    {
        await using var federation = await SeatFederation.Create();
        var seat = federation.Seats[0];
        await seat.Start(federation.AllPeers(seat));
        using var http = new HttpClient { BaseAddress = seat.Address };
        var content = new byte[(3 * Chunk) + 5];
        new Random(4).NextBytes(content);
        var path = $"blobs/{ChunkedBlob.Root(content)}";
        byte[] leaves = [.. content.Chunk(Chunk).SelectMany(chunk => Protocol.Ledger.MerkleHash.Leaf(chunk).ToArray())];
        async Task<(HttpStatusCode Status, string Said, string Offset)> Send(HttpMethod method, string to, byte[]? body = null, long? offset = null, string? key = null)
        {
            using var request = new HttpRequestMessage(method, to) { Content = body is null ? null : new ByteArrayContent(body) };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key ?? seat.ApiKey);
            if (offset is not null) request.Headers.Add("Upload-Offset", $"{offset}");
            using var answer = await http.SendAsync(request, federation.Limit);
            return (answer.StatusCode, await answer.Content.ReadAsStringAsync(federation.Limit), answer.Headers.TryGetValues("Upload-Offset", out var values) ? values.Single() : "");
        }

        foreach (var (method, to) in new[] { (HttpMethod.Put, path + "/leaves?length=1"), (HttpMethod.Patch, path), (HttpMethod.Head, path) })
            Assert.Equal(HttpStatusCode.Unauthorized, (await Send(method, to, [], key: federation.Seats[1].ApiKey)).Status);
        Assert.Equal((HttpStatusCode.NotFound, ""), await Send(HttpMethod.Patch, path, content, 0) is var early ? (early.Status, early.Offset) : default);
        Assert.StartsWith("OT-6005 OT-4023 These are not the hashes", (await Send(HttpMethod.Put, $"{path}/leaves?length={content.Length}", [.. leaves[..^1], (byte)(leaves[^1] ^ 1)])).Said, StringComparison.Ordinal);
        Assert.StartsWith("OT-6005 OT-4023 These are not the hashes", (await Send(HttpMethod.Put, $"{path}/leaves?length={content.Length}", leaves[..^32])).Said, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await Send(HttpMethod.Put, $"{path}/leaves?length=2000000000", leaves)).Status);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await Send(HttpMethod.Put, $"{path}/leaves", leaves)).Status);
        Assert.Equal((HttpStatusCode.NoContent, "", "0"), await Send(HttpMethod.Put, $"{path}/leaves?length={content.Length}", leaves));

        // The first chunk is right and kept, the second is not.
        byte[] wrong = [.. content];
        wrong[Chunk] ^= 1;
        Assert.StartsWith("OT-6005 OT-4023 Chunk 1 is not", (await Send(HttpMethod.Patch, path, wrong, 0)).Said, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.Conflict, "", $"{Chunk}"), await Send(HttpMethod.Patch, path, content, 0));
        Assert.Equal((HttpStatusCode.NoContent, "", $"{Chunk}"), await Send(HttpMethod.Head, path));
        Assert.Equal((HttpStatusCode.NoContent, "", $"{content.Length}"), await Send(HttpMethod.Patch, path, content[Chunk..], Chunk));
    }

    [Fact]
    public async Task ADownload_GoesOn_ByRanges()
    {
        await using var federation = await SeatFederation.Create();
        var seat = federation.Seats[0];
        await seat.Start(federation.AllPeers(seat));
        using var http = new HttpClient { BaseAddress = seat.Address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", seat.ApiKey);
        var content = new byte[(2 * Chunk) + 7];
        new Random(5).NextBytes(content);
        var path = $"blobs/{ChunkedBlob.Root(content)}";
        Assert.Equal(HttpStatusCode.NoContent, (await http.PutAsync(path, new ByteArrayContent(content))).StatusCode);
        async Task<(HttpStatusCode, string, string?)> Get(string range, string? condition = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.TryAddWithoutValidation("Range", range);
            if (condition is not null) request.Headers.TryAddWithoutValidation("If-Range", condition);
            using var answer = await http.SendAsync(request, federation.Limit);
            return (answer.StatusCode, Convert.ToHexString(await answer.Content.ReadAsByteArrayAsync(federation.Limit)), answer.Content.Headers.ContentRange?.ToString());
        }

        string Hex(Range range) => Convert.ToHexString(content[range]);
        var (all, tag) = (content.Length, $"\"{ChunkedBlob.Root(content)}\"");
        Assert.Equal((HttpStatusCode.PartialContent, Hex(Chunk..), $"bytes {Chunk}-{all - 1}/{all}"), await Get($"bytes={Chunk}-"));
        Assert.Equal((HttpStatusCode.PartialContent, Hex(5..9), $"bytes 5-8/{all}"), await Get("bytes=5-8", tag));
        Assert.Equal((HttpStatusCode.PartialContent, Hex(^9..), $"bytes {all - 9}-{all - 1}/{all}"), await Get("bytes=-9"));
        Assert.Equal((HttpStatusCode.PartialContent, Hex(..), $"bytes 0-{all - 1}/{all}"), await Get("bytes=0-99999999"));
        Assert.Equal((HttpStatusCode.RequestedRangeNotSatisfiable, "", $"bytes */{all}"), await Get($"bytes={all}-"));
        // Another content, several ranges, or what is no range: the whole.
        foreach (var (range, condition) in new[] { ("bytes=5-8", "\"another\""), ("bytes=5-8", "W/" + tag), ("bytes=0-1,5-8", null), ("chunks=1-2", null), ("bytes=8-5", null) }) Assert.Equal((HttpStatusCode.OK, Hex(..), null), await Get(range, condition));
        using var head = await http.SendAsync(new HttpRequestMessage(HttpMethod.Head, path), federation.Limit);
        Assert.Equal((HttpStatusCode.OK, all, tag), (head.StatusCode, (int)head.Content.Headers.ContentLength!, head.Headers.ETag!.ToString()));
    }
}
