using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>What goes wrong between two machines.</summary>
public enum NetworkFault
{
    /// <summary>Everything takes 20 ms longer.</summary>
    Slow,
    /// <summary>Every byte comes alone.</summary>
    ByteByByte,
    /// <summary>Connections are reset, each after another number of bytes.</summary>
    Resets,
    /// <summary>Now and then a bit is turned over.</summary>
    WrongBits,
}

/// <summary>A port before each of some addresses that forwards to it, badly.</summary>
internal sealed class FaultyNetwork : IAsyncDisposable
{
    private const int FirstFault = 3_000;
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(20);
    private readonly NetworkFault _fault;
    private readonly Dictionary<Uri, TcpListener> _listeners = [];
    private readonly ConcurrentBag<Task> _tasks = [];
    private readonly CancellationTokenSource _stop = new();
    private int _connections;
    private int _faults;

    public FaultyNetwork(NetworkFault fault, IEnumerable<Uri> targets)
    {
        _fault = fault;
        foreach (var target in targets)
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            _listeners[target] = listener;
            _tasks.Add(Accept(listener, target));
        }
    }

    public int Connections => Volatile.Read(ref _connections);

    public int Faults => Volatile.Read(ref _faults);

    /// <summary>The bad way to an address.</summary>
    public Uri To(Uri target) => new($"http://{_listeners[target].LocalEndpoint}/");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (var listener in _listeners.Values) listener.Dispose();
        await Task.WhenAll(_tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task Accept(TcpListener listener, Uri target)
    {
        while (!_stop.IsCancellationRequested)
        {
            var client = await listener.AcceptTcpClientAsync(_stop.Token);
            _tasks.Add(Forward(client, target, Interlocked.Increment(ref _connections)));
        }
    }

    private async Task Forward(TcpClient client, Uri target, int number)
    {
        using var near = client;
        using var far = new TcpClient { NoDelay = true };
        near.NoDelay = true;
        await far.ConnectAsync(target.Host, target.Port, _stop.Token);
        await Task.WhenAny(Pump(near, far, number), Pump(far, near, number));
    }

    private async Task Pump(TcpClient from, TcpClient to, int number)
    {
        var buffer = new byte[16 * 1024];
        // Some connections last long enough to get something done.
        var left = _fault is NetworkFault.Resets or NetworkFault.WrongBits ? FirstFault * (1L + number % 16) : long.MaxValue;
        using var pause = new PeriodicTimer(Delay);
        for (int read; (read = await from.GetStream().ReadAsync(buffer, _stop.Token)) > 0; left -= read)
        {
            if (left <= read)
            {
                Interlocked.Increment(ref _faults);
                if (_fault is NetworkFault.Resets)
                {
                    to.Client.LingerState = new LingerOption(true, 0);
                    from.Client.LingerState = new LingerOption(true, 0);
                    return;
                }

                buffer[read / 2] ^= 4;
                left = long.MaxValue;
            }

            if (_fault is NetworkFault.Slow)
            {
                Interlocked.Increment(ref _faults);
                await pause.WaitForNextTickAsync(_stop.Token);
            }

            if (_fault is not NetworkFault.ByteByByte)
            {
                await to.GetStream().WriteAsync(buffer.AsMemory(0, read), _stop.Token);
                continue;
            }

            for (var i = 0; i < read; i++) await to.GetStream().WriteAsync(buffer.AsMemory(i, 1), _stop.Token);
            Interlocked.Increment(ref _faults);
        }
    }
}
