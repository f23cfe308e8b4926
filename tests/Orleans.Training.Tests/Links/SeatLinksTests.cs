using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Links;
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
        var peers = LinkPeers.Parse([$"seat {TestSeats.Name(1)}"], "peers");
        await using (var links = await SeatLinks.Create(TestSeats.Genesis, TestSeats.Name(0), LocalValidators.Signer(name), peers, new FileBlobStore(folder), TimeProvider.System, NullLogger.Instance, limit.Token))
        {
            links.Start((_, _) => { }, () => TestSeats.Members);
            var theirs = new List<(PipePair Pipe, SeatLink Link, ConcurrentQueue<byte> Received)>();
            var running = new List<Task>();
            for (var i = 0; i < 2; i++)
            {
                var (pipe, received) = (new PipePair(), new ConcurrentQueue<byte>());
                running.Add(links.Accept(pipe.Right, limit.Token));
                var (stream, _) = await LinkHandshake.AsDialler(TestSeats.Genesis, certificate, pipe.Left, TestSeats.Name(0), TestSeats.Members.Admits, limit.Token);
                var link = new SeatLink(TestSeats.Identity(0), stream);
                theirs.Add((pipe, link, received));
                running.Add(link.Run((_, _, content) => received.Enqueue(content.Span[0]), _ => true, limit.Token));
            }

            await Until(() => links.Linked.Contains(TestSeats.Name(1)), limit.Token);
            await theirs[ends].Link.DisposeAsync();
            await running[2 * ends].WaitAsync(limit.Token);
            Assert.Equal([TestSeats.Name(1)], links.Linked);
            links.Send(TestSeats.Name(1), new byte[] { 42 });
            await Until(() => !theirs[1 - ends].Received.IsEmpty, limit.Token);
            await theirs[1 - ends].Link.DisposeAsync();
            await running[2 * (1 - ends)].WaitAsync(limit.Token);
            Assert.Empty(links.Linked);
        }

        Directory.Delete(folder, recursive: true);
    }

    private static async Task Until(Func<bool> holds, CancellationToken cancellationToken)
    {
        while (!holds()) await Task.Delay(10, cancellationToken);
    }
}
