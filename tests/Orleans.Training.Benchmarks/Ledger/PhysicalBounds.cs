using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;

namespace Orleans.Training.Benchmarks;

/// <summary>What this machine can do at best, one thread unless said otherwise: the floor under every design.</summary>
internal static class PhysicalBounds
{
    private const int Tries = 8;

    /// <summary>Processor seconds of one Ed25519 verification of a message of 421 bytes.</summary>
    public static double Verification()
    {
        using var signer = new Ed25519Signer(new byte[32]);
        var message = new byte[421];
        var signature = signer.Sign(message, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return Each(4_000, () => Signatures.Verify(signer.PublicKey, message, signature));
    }

    /// <summary>Processor seconds of SHA-256 of so many bytes.</summary>
    public static double Hash(int bytes)
    {
        var content = new byte[bytes];
        return Each(Math.Max(200, 100_000_000 / (bytes + 500)), () => SHA256.HashData(content));
    }

    /// <summary>Seconds on the clock, and of a processor, for one append of so many bytes that is then durable.</summary>
    public static (double Seconds, double Processor) Sync(string folder, int bytes)
    {
        const int syncs = 40;
        using var file = new FileStream(Path.Combine(folder, "sync"), FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);
        var (content, offset) = (new byte[bytes], 0L);
        var tries = Enumerable.Range(0, Tries).Select(_ =>
        {
            var (used, clock) = (Used, Stopwatch.StartNew());
            for (var i = 0; i < syncs; i++, offset += bytes)
            {
                RandomAccess.Write(file.SafeFileHandle, content, offset);
                RandomAccess.FlushToDisk(file.SafeFileHandle);
            }

            return (Seconds: clock.Elapsed.TotalSeconds / syncs, Processor: (Used - used) / syncs);
        }).ToArray();
        return (tries.Min(each => each.Seconds), tries.Min(each => each.Processor));
    }

    /// <summary>Processor seconds, both ends together, of one byte through TLS 1.3 on loopback in large pieces.</summary>
    public static async Task<double> Tls()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=bench", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        var connecting = client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using var server = await listener.AcceptTcpClientAsync();
        await connecting;
        await using var sending = new SslStream(client.GetStream(), false, (_, shown, _, _) => shown?.GetCertHashString() == certificate.GetCertHashString());
        await using var receiving = new SslStream(server.GetStream());
        await Task.WhenAll(sending.AuthenticateAsClientAsync("bench"), receiving.AuthenticateAsServerAsync(certificate));
        const long all = 1L << 26;
        var (piece, read, best) = (new byte[64 * 1024], new byte[64 * 1024], double.MaxValue);
        for (var i = 0; i < Tries; i++)
        {
            var used = Used;
            var writing = Task.Run(async () =>
            {
                for (long sent = 0; sent < all; sent += piece.Length) await sending.WriteAsync(piece);
            });
            for (long received = 0; received < all;) received += await receiving.ReadAsync(read);
            await writing;
            best = Math.Min(best, (Used - used) / all);
        }

        return best;
    }

    /// <summary>Processor seconds of one call on this thread, in steady state: the best of some tries, for neighbours only make it slower.</summary>
    public static double Each(int calls, Action call)
    {
        for (var i = 0; i < calls; i++) call();
        return Enumerable.Range(0, Tries).Min(_ =>
        {
            var (used, done) = (Used, 0);
            while (Used - used < 0.03)
            {
                for (var i = 0; i < calls / 20; i++) call();
                done += calls / 20;
            }

            return (Used - used) / done;
        });
    }

    // Finer than what /proc says.
    private static double Used => Environment.CpuUsage.TotalTime.TotalSeconds;
}
