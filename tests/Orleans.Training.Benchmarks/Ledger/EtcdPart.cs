using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Orleans.Training.Cli.Demo;

namespace Orleans.Training.Benchmarks;

/// <summary>etcd with three members on this disk: puts of 512 bytes over gRPC. It replicates and syncs as the ledger does, but believes its members and its clients.</summary>
internal static class EtcdPart
{
    private const int Members = 3;
    private const int Clients = 256;
    private const int Connections = 16;

    public static async Task<Standing?> Run(LedgerPlan plan)
    {
        if (ForeignServer.Find("etcd", "etcd-server") is not { } program) return null;
        var folder = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
        var ports = SiloProcess.FreePorts(2 * Members);
        var names = Enumerable.Range(0, Members).Select(member => $"member{member.ToString(CultureInfo.InvariantCulture)}").ToArray();
        var cluster = string.Join(',', names.Select((name, member) => $"{name}={Address(ports[Members + member])}"));
        var processes = names.Select((name, member) => ForeignServer.Start(Path.Combine(folder, name + ".log"), program, "--name", name, "--data-dir", Path.Combine(folder, name),
            "--listen-client-urls", Address(ports[member]), "--advertise-client-urls", Address(ports[member]),
            "--listen-peer-urls", Address(ports[Members + member]), "--initial-advertise-peer-urls", Address(ports[Members + member]), "--initial-cluster", cluster)).ToArray();
        try
        {
            var channels = Enumerable.Range(0, Connections).Select(connection => Channel(ports[connection % Members])).ToArray();
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            foreach (var channel in channels.Take(Members)) await Ready(channel, patience.Token);
            var version = (await ForeignServer.Run(program, "--version")).Split('\n')[0];
            var standing = await Measure(version, channels, processes, plan);
            foreach (var channel in channels) channel.Dispose();
            return standing;
        }
        finally
        {
            foreach (var process in processes)
            {
                process.Kill();
                await process.WaitForExitAsync();
                process.Dispose();
            }

            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<Standing> Measure(string version, HttpClient[] channels, Process[] processes, LedgerPlan plan)
    {
        await Put(channels, Clients, TimeSpan.FromSeconds(1));
        var (servers, own, clock) = (processes.Sum(process => ProcessorClock.Of(process.Id)), ProcessorClock.Own, Stopwatch.StartNew());
        var delays = await Put(channels, Clients, TimeSpan.FromSeconds(plan.Seconds));
        var (seconds, used) = (clock.Elapsed.TotalSeconds, processes.Sum(process => ProcessorClock.Of(process.Id)) - servers);
        Lines.Say($"{version}, {Members} members, puts of 512 bytes, {Clients} clients one at a time each, gRPC in clear: {delays.Count / seconds:F0} puts/s; {Lines.Delays(delays)}; {1e6 * used / delays.Count:F0} µs CPU a put for all members, the clients took {1e6 * (ProcessorClock.Own - own) / delays.Count:F0} µs beside");
        var alone = await Put(channels, 1, TimeSpan.FromSeconds(Math.Min(plan.Seconds, 3)));
        Lines.Say($"  one client alone: {Lines.Delays(alone)}");
        return new Standing("etcd, 3 members", "puts of 512 bytes, no signatures, all three are believed", delays.Count / seconds, used / delays.Count, Lines.Percentile(alone, 0.5));
    }

    private static string Address(int port) => $"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}";

    private static HttpClient Channel(int port) => new(new SocketsHttpHandler()) { BaseAddress = new Uri(Address(port)), DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };

    private static async Task Ready(HttpClient channel, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (true)
        {
            try
            {
                await Put(channel, cancellationToken);
                return;
            }
            catch (Exception exception) when (exception is HttpRequestException or InvalidOperationException)
            {
                await pause.WaitForNextTickAsync(cancellationToken);
            }
        }
    }

    // The delays of all puts, in milliseconds.
    private static async Task<IReadOnlyCollection<double>> Put(HttpClient[] channels, int clients, TimeSpan time)
    {
        var delays = new ConcurrentBag<double>();
        var begun = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(async () =>
        {
            while (Stopwatch.GetElapsedTime(begun) < time)
            {
                var since = Stopwatch.GetTimestamp();
                await Put(channels[client % channels.Length], CancellationToken.None);
                delays.Add(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
            }
        })));
        return delays;
    }

    // etcdserverpb.KV/Put with PutRequest { key = 1, value = 2 }, in a gRPC frame.
    private static async Task Put(HttpClient channel, CancellationToken cancellationToken)
    {
        const int size = 2 + 16 + 3 + 512;
        var frame = new byte[5 + size];
        (frame[3], frame[4]) = (size >> 8, size & 0xff);
        (frame[5], frame[6]) = (0x0a, 16);
        RandomNumberGenerator.Fill(frame.AsSpan(7, 16));
        (frame[23], frame[24], frame[25]) = (0x12, 0x80, 0x04);
        RandomNumberGenerator.Fill(frame.AsSpan(26));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/etcdserverpb.KV/Put") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(frame) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.ParseAdd("trailers");
        using var response = await channel.SendAsync(request, cancellationToken);
        var status = response.TrailingHeaders.TryGetValues("grpc-status", out var trailing) ? trailing.First() : response.Headers.TryGetValues("grpc-status", out var leading) ? leading.First() : "none";
        if (status != "0") throw new InvalidOperationException($"etcd answered {(int)response.StatusCode} with gRPC status {status}.");
    }
}
