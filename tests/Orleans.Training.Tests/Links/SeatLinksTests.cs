using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Links;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Tests.Validators;

namespace Orleans.Training.Tests.Links;

/// <summary>Several links between the same two seats, of which some end.</summary>
public sealed class SeatLinksTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task OfTwoLinks_EitherIsEnough(int ends)
    {
        using var limit = new CancellationTokenSource(Patience);
        var folder = Directory.CreateTempSubdirectory("links").FullName;
        using var certificate = await TestSeats.Certificate(1);
        var name = TestSeats.Name(0).Name;
        var keys = new ValidatorKeys(LocalValidators.Signer(name), LocalValidators.Signer(name + "/vote"), LocalValidators.Signer(name + "/cosign"), LocalValidators.Signer(name + "/log"));
        var peers = LinkPeers.Parse([$"seat {TestSeats.Name(1)}"], "peers");
        await using (var links = await SeatLinks.Create(TestSeats.Genesis, keys, peers, new FileBlobStore(folder), TimeProvider.System, NullLogger.Instance, limit.Token))
        {
            links.Start((_, _) => { });
            var theirs = new List<(PipePair Pipe, SeatLink Link, ConcurrentQueue<byte> Received)>();
            var running = new List<Task>();
            for (var i = 0; i < 2; i++)
            {
                var (pipe, received) = (new PipePair(), new ConcurrentQueue<byte>());
                running.Add(links.Accept(pipe.Right, limit.Token));
                var (stream, _) = await LinkHandshake.AsDialler(TestSeats.Genesis, certificate, pipe.Left, 0, limit.Token);
                var link = new SeatLink(0, stream);
                theirs.Add((pipe, link, received));
                running.Add(link.Run((_, _, content) => received.Enqueue(content.Span[0]), limit.Token));
            }

            await Until(() => links.Linked.Contains(1), limit.Token);
            await theirs[ends].Link.DisposeAsync();
            await running[2 * ends].WaitAsync(limit.Token);
            Assert.Equal([1], links.Linked);
            links.Send(1, new byte[] { 42 });
            await Until(() => !theirs[1 - ends].Received.IsEmpty, limit.Token);
            await theirs[1 - ends].Link.DisposeAsync();
            await running[2 * (1 - ends)].WaitAsync(limit.Token);
            Assert.Empty(links.Linked);
        }

        Directory.Delete(folder, recursive: true);
    }

    private static async Task Until(Func<bool> holds, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!holds()) await pause.WaitForNextTickAsync(cancellationToken);
    }
}
