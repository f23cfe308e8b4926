using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol;
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

    // A key in the file of peers lets a newcomer go to somebody of whom its state knows nothing yet. It lets nobody in, and means nothing once the own state gives a seat.
    [Theory]
    [InlineData("newcomer", true)]
    [InlineData("cleveland", false)]
    public async Task AKeyOfTheFile_CountsForWhoHasNoSeat_AndForDiallingOnly(string own, bool counts)
    {
        var folder = Directory.CreateTempSubdirectory("links").FullName;
        var stranger = new LinkIdentity(ParticipantId.Parse("stranger"), LocalValidators.Signer("stranger").PublicKey.Id);
        var peers = LinkPeers.Parse([$"seat stranger https://a.example {stranger.Key}"], "peers");
        await using (var links = await SeatLinks.Create(TestSeats.Genesis, ParticipantId.Parse(own), LocalValidators.Signer(own), peers, new FileBlobStore(folder), TimeProvider.System, NullLogger.Instance, CancellationToken.None))
        {
            Assert.Equal(counts, links.IsWanted(stranger));
            Assert.False(links.IsMember(stranger));
            Assert.False(links.IsWanted(stranger with { Key = TestSeats.Identity(1).Key }));
            Assert.True(links.IsWanted(TestSeats.Identity(1)) && links.IsMember(TestSeats.Identity(1)));
        }

        Directory.Delete(folder, recursive: true);
    }

    private static async Task Until(Func<bool> holds, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!holds()) await pause.WaitForNextTickAsync(cancellationToken);
    }
}
