using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Has outside witnesses cosign this validator's checkpoints (c2sp.org/tlog-witness), so that somebody who is no party to the ledger says that it was not rewritten. When they
/// cannot be reached, checkpoints go out without them.
/// </summary>
public sealed partial class Witnesses : IAsyncDisposable
{
    private const int AnswerBytes = 64 * 1024;
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private const ulong LateSeconds = 60;

    private readonly ValidatorSeat _seat;
    private readonly IReadOnlyList<(NoteKey Key, Uri Address)> _witnesses;
    private readonly long[] _sizes;
    private readonly bool[] _refused;
    private readonly HttpClient _http;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _work;
    private volatile SignedNote? _witnessed;

    /// <summary>Begins to ask.</summary>
    /// <param name="seat">Whose checkpoints.</param>
    /// <param name="policy">The witnesses, with their addresses.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where to log.</param>
    public Witnesses(ValidatorSeat seat, TrustPolicy policy, TimeProvider time, ILogger<Witnesses> logger)
    {
        (_seat, _time, _logger) = (seat, time, logger);
        _witnesses = [.. policy.Witnesses.Where(key => policy.AddressOf(key) is not null).Select(key => (key, policy.AddressOf(key)!))];
        _sizes = new long[_witnesses.Count];
        _refused = new bool[_witnesses.Count];
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = Patience, MaxResponseContentBufferSize = AnswerBytes };
        _work = Task.Run(Work);
    }

    /// <summary>The newest checkpoint to show: one with the witnesses' lines, unless those are late.</summary>
    public SignedNote? Newest
    {
        get
        {
            var (plain, witnessed) = (_seat.Checkpoint, _witnessed);
            return witnessed is null || plain is null || CosignedAt(plain) > CosignedAt(witnessed) + LateSeconds ? plain : witnessed;
        }
    }

    /// <summary>The newest checkpoint that covers a leaf, with the witnesses' lines if there is such a one.</summary>
    public SignedNote? Covering(long index) => Newest is { } note && SizeOf(note) > index ? note : _seat.Checkpoint;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _http.Dispose();
        _stop.Dispose();
    }

    private async Task Work()
    {
        SignedNote? done = null;
        using var pause = new PeriodicTimer(Between, _time);
        while (await pause.WaitForNextTickAsync(_stop.Token))
        {
            if (_seat.Checkpoint is not { } note || note == done) continue;
            var lines = (await Task.WhenAll(Enumerable.Range(0, _witnesses.Count).Select(witness => Ask(witness, note)))).OfType<NoteSignature>().ToArray();
            done = note;
            if (lines.Length > 0) _witnessed = new SignedNote(note.Text, [.. note.Signatures, .. lines]);
        }
    }

    private async Task<NoteSignature?> Ask(int witness, SignedNote note)
    {
        var (key, address) = _witnesses[witness];
        try
        {
            var (status, body) = await Post(witness, note);
            // It knows another size than we remember, or another of our logs' validators was here meanwhile.
            if (status is HttpStatusCode.Conflict && long.TryParse(body.TrimEnd('\n'), NumberStyles.None, CultureInfo.InvariantCulture, out var size) && size <= SizeOf(note))
            {
                _sizes[witness] = size;
                (status, body) = await Post(witness, note);
            }

            var line = status is HttpStatusCode.OK ? body.Split('\n').Select(text => NoteSignature.TryParse(text, out var parsed) ? parsed : null).FirstOrDefault(parsed => parsed is not null && parsed.Name == key.Name && parsed.KeyId == key.Id && SignedNote.Verify(note.Text, key, parsed)) : null;
            if (line is not null) _sizes[witness] = SizeOf(note);
            // Said once, until it signs again.
            if (line is null && !_refused[witness]) LogRefused(_logger, address, (int)status, key.Name);
            _refused[witness] = line is null;
            return line;
        }
        catch (Exception exception) when (!_stop.IsCancellationRequested)
        {
            LogUnreachable(_logger, address, exception.Message);
            return null;
        }
    }

    private async Task<(HttpStatusCode Status, string Body)> Post(int witness, SignedNote note)
    {
        var (old, address) = (_sizes[witness], _witnesses[witness].Address.AbsoluteUri.TrimEnd('/'));
        var proof = old == 0 || old == SizeOf(note) ? [] : _seat.Chain.ConsistencyProof(old, SizeOf(note)) ?? throw new InvalidOperationException("The past of the log is still being fetched.");
        var request = new WitnessRequest(old, proof, note);
        using var content = new StringContent(request.ToString(), Encoding.UTF8, "text/plain");
        using var response = await _http.PostAsync(new Uri(address + "/add-checkpoint"), content, _stop.Token);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(_stop.Token));
    }

    private static long SizeOf(SignedNote note) => Checkpoint.TryParse(note.Text, out var checkpoint) ? checkpoint!.Size : 0;

    private static ulong CosignedAt(SignedNote note) => note.Signatures.Max(line => line.CosignedAt);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The witness {Address} answers {Status} and no cosignature by {Name}: is this validator's log key in its list?")]
    private static partial void LogRefused(ILogger logger, Uri address, int status, string name);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The witness {Address} is out of reach: {Reason}")]
    private static partial void LogUnreachable(ILogger logger, Uri address, string reason);
}
