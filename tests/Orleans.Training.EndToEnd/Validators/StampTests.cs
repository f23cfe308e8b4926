using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Training.Cli;
using Orleans.Training.Cli.Logs;
using Orleans.Training.Grains;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>A ledger's checkpoints are stamped by an authority that is OpenSSL's, and OpenSSL checks what comes out.</summary>
public sealed class StampTests
{
    [Fact]
    public async Task ACheckpoint_IsStamped_AndOpenSslSaysSo()
    {
        await using var root = await SeatFederation.Create();
        await using var authority = await OpenSslAuthority.Start(Path.Combine(root.Folder, "authority"));
        await root.Start();
        var seat = root.Seats[0];
        await root.Commit(seat);
        var (policy, key, output) = (Path.Combine(root.Folder, "policy"), Path.Combine(root.Folder, "key"), Path.Combine(root.Folder, "stamps"));
        await File.WriteAllTextAsync(policy, TrustPolicy.Text(root.Genesis.Origin, root.Genesis.Validators), root.Limit);
        await File.WriteAllTextAsync(key, seat.ApiKey, root.Limit);
        string[] stamp = ["anchor", "stamp", new Uri(seat.Address, $"shards/{root.Genesis.Shard}").AbsoluteUri, "--trust", policy, "--key-file", key, "--output", output, "--authority", authority.Address.AbsoluteUri];
        Assert.Contains("leaves existed on ", await SeatFederation.Run(stamp), StringComparison.Ordinal);
        var file = Assert.Single(Directory.EnumerateFiles(output, "*.checkpoint"));
        Assert.True(SignedNote.TryParse(await File.ReadAllTextAsync(file, root.Limit), out var note));
        Assert.Equal(ReceiptCheck.Good, root.Policy.Accepts(note!));
        Assert.Equal(0, authority.Check(file, file + ".tsr"));
        Assert.EndsWith("is stamped already\n", await SeatFederation.Run(stamp), StringComparison.Ordinal);

        // About other bytes the stamp says nothing.
        await File.AppendAllTextAsync(file, " ", root.Limit);
        Assert.NotEqual(0, authority.Check(file, file + ".tsr"));

        // What is refused leaves no stamp behind.
        await root.Seats[0].Reach(await root.Commit(seat), root.Limit);
        foreach (var answer in new Func<byte[], byte[]>[] { _ => authority.Last, _ => [0x30, 0], bytes => [.. bytes[..^1], (byte)(bytes[^1] ^ 1)] })
        {
            authority.Tampers = answer;
            var (code, _, error) = await SeatFederation.Try(stamp);
            Assert.Equal(ExitCode.Usage, code);
            Assert.StartsWith("OT-7073 ", error, StringComparison.Ordinal);
        }

        authority.Tampers = bytes => bytes;
        await File.WriteAllTextAsync(policy, TrustPolicy.Text("other.example/log", root.Genesis.Validators), root.Limit);
        Assert.StartsWith("OT-3002 ", (await SeatFederation.Try(stamp)).Error, StringComparison.Ordinal);
        Assert.Single(Directory.EnumerateFiles(output, "*.tsr"));
    }

    // What fails is tried again; what is found ends it.
    [Fact]
    public async Task Again_AndAgain_UntilSomethingIsFound()
    {
        var acts = 0;
        var code = await Repetition.Run(TimeSpan.FromMilliseconds(1), () => ++acts switch { 1 => throw new OperationalException("OT-7043", "not now"), 2 => Task.FromResult(ExitCode.NotReachable), 3 => Task.FromResult(ExitCode.Ok), _ => Task.FromResult(ExitCode.CheckFailed) }, CancellationToken.None);
        Assert.Equal((ExitCode.CheckFailed, 4), (code, acts));
        Assert.Equal(ExitCode.NotReachable, await Repetition.Run(TimeSpan.Zero, () => Task.FromResult(ExitCode.NotReachable), CancellationToken.None));
        await Assert.ThrowsAsync<OperationalException>(() => Repetition.Run(TimeSpan.Zero, () => throw new OperationalException("OT-7043", "not now"), CancellationToken.None));
        await Assert.ThrowsAsync<InvalidOperationException>(() => Repetition.Run(TimeSpan.FromMilliseconds(1), () => throw new InvalidOperationException(), CancellationToken.None));
    }

    // openssl ts, behind HTTP.
    private sealed class OpenSslAuthority : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private readonly string _folder;

        private OpenSslAuthority(WebApplication app, string folder) => (_app, _folder) = (app, folder);

        public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

        public Func<byte[], byte[]> Tampers { get; set; } = bytes => bytes;

        /// <summary>The first good answer.</summary>
        public byte[] Last { get; private set; } = [];

        public static async Task<OpenSslAuthority> Start(string folder)
        {
            Directory.CreateDirectory(folder);
            await File.WriteAllTextAsync(Path.Combine(folder, "ts.cnf"), $"""
                [tsa]
                serial = {folder}/serial
                signer_digest = sha256
                default_policy = 1.2.3.4.1
                digests = sha256
                ess_cert_id_alg = sha256
                certs = {folder}/tsa.pem
                """);
            await File.WriteAllTextAsync(Path.Combine(folder, "serial"), "01");
            await WriteCertificates(folder);
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            var app = builder.Build();
            var authority = new OpenSslAuthority(app, folder);
            app.MapPost("/", authority.Answer);
            await app.StartAsync();
            return authority;
        }

        public int Check(string content, string stamp) => OpenSsl(_folder, "ts", "-verify", "-data", content, "-in", stamp, "-CAfile", "ca.pem");

        public async ValueTask DisposeAsync() => await _app.DisposeAsync();

        private async Task Answer(HttpContext http)
        {
            Assert.Equal("application/timestamp-query", http.Request.ContentType);
            await using (var query = File.Create(Path.Combine(_folder, "query"))) await http.Request.Body.CopyToAsync(query, http.RequestAborted);
            Assert.Equal(0, OpenSsl(_folder, "ts", "-reply", "-config", "ts.cnf", "-section", "tsa", "-queryfile", "query", "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "reply"));
            var reply = await File.ReadAllBytesAsync(Path.Combine(_folder, "reply"), http.RequestAborted);
            if (Last.Length == 0) Last = reply;
            http.Response.ContentType = "application/timestamp-reply";
            await http.Response.Body.WriteAsync(Tampers(reply), http.RequestAborted);
        }

        // A certificate for nothing but time stamps, by an authority.
        private static async Task WriteCertificates(string folder)
        {
            using RSA issuing = RSA.Create(2048), signing = RSA.Create(2048);
            var (from, to) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
            var request = new CertificateRequest("CN=authority", issuing, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            using var issuer = request.CreateSelfSigned(from, to);
            var leaf = new CertificateRequest("CN=stamps", signing, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            leaf.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
            leaf.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.8")], true));
            using var certificate = leaf.Create(issuer, from, to, [1, 2, 3, 4]);
            await File.WriteAllTextAsync(Path.Combine(folder, "ca.pem"), issuer.ExportCertificatePem());
            await File.WriteAllTextAsync(Path.Combine(folder, "tsa.pem"), certificate.ExportCertificatePem());
            await File.WriteAllTextAsync(Path.Combine(folder, "tsa.key"), signing.ExportPkcs8PrivateKeyPem());
        }

        private static int OpenSsl(string folder, params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo("openssl", arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
            process.StandardOutput.ReadToEnd();
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode;
        }
    }
}
