using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Cluster;

/// <summary>Who gets through TLS, over pipes in memory: nothing is read from, or handed to, anybody else.</summary>
public sealed class TlsMiddlewareTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _ours = new("ours");
    private readonly TestAuthority _theirs = new("theirs");
    private readonly Heard _log = new();

    public void Dispose()
    {
        _folder.Dispose();
        _ours.Dispose();
        _theirs.Dispose();
    }

    [Fact]
    public async Task TwoOfOneAuthority_TalkInBothDirections()
    {
        var (server, client) = (Ours("server"), Ours("client"));
        Assert.Equal("ping pong", await Talk(server, client));
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task LargeTraffic_ArrivesWhole()
    {
        var payload = new string('x', 3_000_000);
        Assert.Equal($"{payload} pong", await Talk(Ours("server"), Ours("client"), payload));
    }

    [Theory]
    [InlineData("another authority's")]
    [InlineData("expired")]
    [InlineData("made for servers only")]
    [InlineData("self-signed")]
    public async Task Client_WithABadCertificate_IsRefused(string kind)
    {
        await RequireRefused(Ours("server"), Trusting("client", Bad(kind, "client", "1.3.6.1.5.5.7.3.1")));
        Assert.Contains(_log.Lines, line => line.Contains("OT-7061", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("another authority's")]
    [InlineData("expired")]
    [InlineData("made for clients only")]
    [InlineData("self-signed")]
    public async Task Server_WithABadCertificate_IsRefused(string kind) => await RequireRefused(Trusting("server", Bad(kind, "server", "1.3.6.1.5.5.7.3.2")), Ours("client"));

    [Fact]
    public async Task Names_AreCompared_OnBothSides()
    {
        foreach (var (serverAllows, clientAllows, good) in new[] { ("client.example", "server.example", true), ("other.example", "server.example", false), ("client.example", "other.example", false), ("CLIENT.example", "server.EXAMPLE", true), ("example", "server.example", false) })
        {
            var (server, client) = (Trusting("server", _ours.Issue("server.example")), Trusting("client", _ours.Issue("client.example")));
            server.AllowedNames.Add(serverAllows);
            client.AllowedNames.Add("else.example");
            client.AllowedNames.Add(clientAllows);
            if (good) Assert.Equal("ping pong", await Talk(server, client));
            else await RequireRefused(server, client);
        }
    }

    [Fact]
    public async Task Client_WithoutACertificate_IsRefused() => await RequireRefused(Ours("server"), stream => stream.AuthenticateAsClientAsync(Anything()));

    [Fact]
    public async Task Client_OfTls12_IsRefused()
    {
        using var good = _ours.Issue("client");
        await RequireRefused(Ours("server"), stream =>
        {
            var options = Anything();
            (options.EnabledSslProtocols, options.ClientCertificates) = (SslProtocols.Tls12, [good]);
            return stream.AuthenticateAsClientAsync(options);
        });
    }

    [Fact]
    public async Task Client_OfTheSameMeans_ButWithItsCertificate_IsLetIn()
    {
        using var good = _ours.Issue("client");
        var options = Anything();
        options.ClientCertificates = [good];
        var (server, reached) = Serve(Ours("server"), out var wire);
        await using var stream = new SslStream(new PipeStream(wire));
        await stream.AuthenticateAsClientAsync(options);
        await stream.WriteAsync("ping "u8.ToArray());
        await wire.Output.CompleteAsync();
        await server;
        Assert.Equal("ping ", await reached.Task);
    }

    [Fact]
    public async Task PlainBytes_AreRefused() => await RequireRefusedBytes(Encoding.ASCII.GetBytes(new string('o', 200)));

    [Fact]
    public async Task SilentPeer_IsGivenUp()
    {
        var options = Ours("server");
        options.HandshakeTimeout = TimeSpan.FromMilliseconds(50);
        var (server, reached) = Serve(options, out _);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => server);
        Assert.False(reached.Task.IsCompleted);
        Assert.Contains(_log.Lines, line => line.Contains("in time", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ChangedFiles_CountFromTheNextConnectionOn()
    {
        var (server, client) = (Ours("server"), Ours("client"));
        var credentials = new TlsCredentials(server);
        Assert.Equal("ping pong", await Talk(server, client, credentials: credentials));
        using var renewed = _theirs.Issue("server");
        TestAuthority.Write(_folder, "server", renewed, _theirs);
        await RequireRefused(server, client, credentials);
        Assert.Equal("ping pong", await Talk(server, Write("client", _theirs.Issue("client"), _theirs), credentials: credentials));
    }

    [Fact]
    public async Task HalfChangedFiles_LeaveTheOldOnesInUse_AndAreTold()
    {
        var (server, client) = (Ours("server"), Ours("client"));
        var credentials = new TlsCredentials(server);
        using var renewed = _ours.Issue("server");
        var old = await File.ReadAllTextAsync(server.CertificateFile);
        foreach (var broken in (string[])[renewed.ExportCertificatePem(), "", "no certificate", old[..^100]])
        {
            await File.WriteAllTextAsync(server.CertificateFile, broken);
            _log.Lines.Clear();
            Assert.Equal("ping pong", await Talk(server, client, credentials: credentials));
            Assert.Contains(_log.Lines, line => line.Contains("OT-7060", StringComparison.Ordinal));
        }

        File.Delete(server.CertificateFile);
        Assert.Equal("ping pong", await Talk(server, client, credentials: credentials));
        Assert.Equal("OT-7060", Assert.Throws<OperationalException>(() => new TlsCredentials(server)).Code);
    }

    [Fact]
    public void Files_ThatCannotBeUsed_AreRefusedAtTheStart_WithoutTheKey()
    {
        var server = Ours("server");
        var key = File.ReadAllText(server.KeyFile);
        File.WriteAllText(server.KeyFile, key.Replace("PRIVATE", "PUBLIC", StringComparison.Ordinal));
        var refusal = Assert.Throws<OperationalException>(() => new TlsCredentials(server));
        Assert.Equal("OT-7060", refusal.Code);
        Assert.DoesNotContain(key.Split('\n')[1], refusal.ToString(), StringComparison.Ordinal);
        File.WriteAllText(server.KeyFile, key);
        File.WriteAllText(server.AuthorityFile, "");
        Assert.Equal("OT-7060", Assert.Throws<OperationalException>(() => new TlsCredentials(server)).Code);
        File.WriteAllBytes(server.AuthorityFile, new byte[(1024 * 1024) + 1]);
        Assert.Equal("OT-7060", Assert.Throws<OperationalException>(() => new TlsCredentials(server)).Code);
        if (OperatingSystem.IsWindows()) return;
        File.SetUnixFileMode(server.KeyFile, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Assert.Equal("OT-4031", Assert.Throws<OperationalException>(() => new TlsCredentials(server)).Code);
    }

    private static SslClientAuthenticationOptions Anything() => new() { TargetHost = "server", RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null };

    private static (IDuplexPipe One, IDuplexPipe Other) Wire()
    {
        var (there, back) = (new Pipe(), new Pipe());
        return (new Ends(back.Reader, there.Writer), new Ends(there.Reader, back.Writer));
    }

    private static async Task<string> ReadText(PipeReader reader, int length)
    {
        var result = await reader.ReadAtLeastAsync(length);
        var text = Encoding.ASCII.GetString(System.Buffers.BuffersExtensions.ToArray(result.Buffer));
        reader.AdvanceTo(result.Buffer.End);
        return text;
    }

    private X509Certificate2 Bad(string kind, string name, string use)
    {
        using var lonely = new TestAuthority("lonely");
        return kind switch { "another authority's" => _theirs.Issue(name), "expired" => _ours.Issue(name, -1), "self-signed" => lonely.Issue(name), _ => _ours.Issue(name, 10, use) };
    }

    private SiloTlsOptions Write(string name, X509Certificate2 certificate, params TestAuthority[] authorities)
    {
        using (certificate) return TestAuthority.Write(_folder, name, certificate, authorities);
    }

    private SiloTlsOptions Ours(string name) => Trusting(name, _ours.Issue(name));

    private SiloTlsOptions Trusting(string name, X509Certificate2 certificate) => Write(name, certificate, _ours);

    private TlsMiddleware Middleware(SiloTlsOptions options, TlsCredentials? credentials = null) => new(credentials ?? new TlsCredentials(options), options.HandshakeTimeout, _log);

    // The server hands on what the first five bytes say.
    private (Task Server, TaskCompletionSource<string> Reached) Serve(SiloTlsOptions options, out IDuplexPipe wire)
    {
        var (near, far) = Wire();
        wire = far;
        var reached = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var pipeline = new Builder();
        Middleware(options).UseServer(pipeline);
        return (Close(pipeline.Build(async connection => reached.TrySetResult(await ReadText(connection.Transport.Input, 5)))(new DefaultConnectionContext("server", near, near)), near), reached);
    }

    private static async Task Close(Task running, IDuplexPipe wire)
    {
        try
        {
            await running;
        }
        finally
        {
            await wire.Output.CompleteAsync();
            await wire.Input.CompleteAsync();
        }
    }

    private async Task<string> Talk(SiloTlsOptions server, SiloTlsOptions client, string ping = "ping", TlsCredentials? credentials = null)
    {
        var (near, far) = Wire();
        var (heard, answered) = ("", "");
        var (serving, asking) = (new Builder(), new Builder());
        Middleware(server, credentials).UseServer(serving);
        Middleware(client).UseClient(asking);
        var served = Close(serving.Build(async connection =>
        {
            heard = await ReadText(connection.Transport.Input, ping.Length);
            await connection.Transport.Output.WriteAsync("pong"u8.ToArray());
        })(new DefaultConnectionContext("server", near, near)), near);
        var asked = Close(asking.Build(async connection =>
        {
            await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes(ping));
            answered = await ReadText(connection.Transport.Input, 4);
        })(new DefaultConnectionContext("client", far, far)), far);
        await Task.WhenAll(served, asked);
        return $"{heard} {answered}";
    }

    // TLS 1.3 clients learn that they were refused when they read; what counts is that the server handed nothing on.
    private async Task RequireRefused(SiloTlsOptions server, SiloTlsOptions client, TlsCredentials? credentials = null)
    {
        try
        {
            Assert.Equal("", await Talk(server, client, credentials: credentials));
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException or InvalidOperationException)
        {
            Assert.Contains(_log.Lines, line => line.Contains("not let in", StringComparison.Ordinal));
            return;
        }

        Assert.Fail("The peers talked to each other.");
    }

    private async Task RequireRefused(SiloTlsOptions server, Func<SslStream, Task> shake)
    {
        var (serving, reached) = Serve(server, out var wire);
        await using var stream = new SslStream(new PipeStream(wire));
        try
        {
            await shake(stream);
            await stream.WriteAsync("ping "u8.ToArray());
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException or InvalidOperationException)
        {
            // Refused already.
        }

        await wire.Output.CompleteAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => serving);
        Assert.False(reached.Task.IsCompleted);
    }

    private async Task RequireRefusedBytes(byte[] bytes)
    {
        var (serving, reached) = Serve(Ours("server"), out var wire);
        await wire.Output.WriteAsync(bytes);
        await wire.Output.CompleteAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => serving);
        Assert.False(reached.Task.IsCompleted);
    }

    private sealed record Ends(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class Builder : IConnectionBuilder
    {
        private readonly List<Func<ConnectionDelegate, ConnectionDelegate>> _steps = [];

        public IServiceProvider ApplicationServices => throw new NotSupportedException();

        public IConnectionBuilder Use(Func<ConnectionDelegate, ConnectionDelegate> middleware)
        {
            _steps.Add(middleware);
            return this;
        }

        public ConnectionDelegate Build() => throw new NotSupportedException();

        public ConnectionDelegate Build(ConnectionDelegate last) => _steps.AsEnumerable().Reverse().Aggregate(last, (next, step) => step(next));
    }

    private sealed class Heard : ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Enqueue(formatter(state, exception));
    }
}
