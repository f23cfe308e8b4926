using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Simulation;

namespace Orleans.Training.Tests.Consensus;

/// <summary>A few validators with real keys in one thread: messages arrive at once and in order, time passes only when a test says so.</summary>
internal sealed class TestShard
{
    public const long StartMs = 1_800_000_000_000;

    private readonly Dictionary<PublicKey, byte[]> _privateKeys = [];
    private readonly Queue<(int Seat, ConsensusInput Input)> _queue = new();
    private readonly PriorityQueue<(int Seat, int Life, ConsensusInput Input), long> _timers = new();
    private readonly int[] _lives;

    public TestShard(int seats, int blockLimit = 8, Func<int, ConsensusSetup, ConsensusSetup>? change = null)
    {
        _lives = new int[seats];
        Validators = new ValidatorSet(1, [.. Enumerable.Range(0, seats).Select(seat => Entry(seat, 0))]);
        Genesis = SimulatedMachine.Genesis(Validators, StartMs);
        Setups = [.. Enumerable.Range(0, seats).Select(seat => Setup(seat, blockLimit)).Select((setup, seat) => change?.Invoke(seat, setup) ?? setup)];
        Cores = [.. Setups.Select(setup => new ConsensusCore(setup))];
        Journals = [.. Setups.Select(_ => new List<JournalRecord>())];
        Committed = [.. Setups.Select(_ => new List<Block>())];
        Signed = [.. Setups.Select(_ => new List<SignedVote>())];
        for (var seat = 0; seat < seats; seat++) _queue.Enqueue((seat, new Started(StartMs)));
    }

    public ValidatorSet Validators { get; }
    public ExecutedBlock Genesis { get; }
    public ConsensusSetup[] Setups { get; }
    public ConsensusCore[] Cores { get; }
    public List<JournalRecord>[] Journals { get; }
    public List<Block>[] Committed { get; }
    public List<SignedVote>[] Signed { get; }
    public List<(int From, int To, ConsensusMessage Message)> Sent { get; } = [];
    public List<ConsensusOutput> Others { get; } = [];
    public long NowMs { get; private set; } = StartMs;

    /// <summary>Messages that the network loses.</summary>
    public Func<int, int, ConsensusMessage, bool> Loses { get; set; } = (_, _, _) => false;

    /// <summary>Seats that do nothing.</summary>
    public HashSet<int> Down { get; } = [];

    /// <summary>The validators of every era that any seat has entered.</summary>
    public Dictionary<ulong, ValidatorSet> Eras { get; } = [];

    public int LeaderOf(ulong view) => LeaderSchedule.LeaderOf(Validators, view);

    public int SomeoneBut(int seat) => (seat + 1) % Setups.Length;

    public TestShard Submit(int seat, params Transaction[] transactions)
    {
        _queue.Enqueue((seat, new TransactionsSubmitted(NowMs, transactions)));
        return Settle();
    }

    public void Give(int seat, ConsensusInput input)
    {
        _queue.Enqueue((seat, input));
        Settle();
    }

    /// <summary>Handles everything that follows without time passing.</summary>
    public TestShard Settle()
    {
        while (_queue.TryDequeue(out var next))
        {
            if (!Down.Contains(next.Seat)) Handle(next.Seat, next.Input with { NowMs = NowMs });
        }

        return this;
    }

    /// <summary>Lets time pass, timer by timer.</summary>
    public TestShard Pass(long ms)
    {
        Settle();
        var until = NowMs + ms;
        while (_timers.TryPeek(out var timer, out var atMs) && atMs <= until)
        {
            _timers.Dequeue();
            NowMs = atMs;
            if (_lives[timer.Seat] == timer.Life) _queue.Enqueue((timer.Seat, timer.Input));
            Settle();
        }

        NowMs = until;
        return this;
    }

    public TestShard Restart(int seat)
    {
        _lives[seat]++;
        Committed[seat].Clear();
        Cores[seat] = ConsensusCore.Restore(Setups[seat], Journals[seat], block => Committed[seat].Add(block.Executed.Block));
        Down.Remove(seat);
        _queue.Enqueue((seat, new Started(NowMs)));
        return this;
    }

    public SignedVote Sign(int seat, Vote vote)
    {
        var signature = new byte[Signatures.Size];
        // Of several keys of a seat the one that counts in the vote's era.
        var key = Eras.TryGetValue(vote.Era, out var validators) ? validators.Seats[seat].VoteKey! : Validators.Seats[seat].VoteKey!;
        Geralt.Ed25519.Sign(signature, vote.Preimage(SimulatedMachine.Chain, SimulatedMachine.Shard), _privateKeys[key]);
        return new SignedVote(vote, seat, signature);
    }

    public Certificate Certify(Vote vote, params int[] seats) => Certificate.Join([.. seats.Select(seat => Sign(seat, vote))]);

    public static Transaction NewTransaction(int number, string method = "write", int argument = 0, string? actor = null, byte[]? arguments = null)
    {
        var payload = new TransactionPayload
        {
            Chain = SimulatedMachine.Chain,
            Shard = SimulatedMachine.Shard,
            Actor = ParticipantId.Parse(actor ?? $"client-{number % 7}"),
            KeyId = default,
            Id = Identifier.Of(BitConverter.GetBytes(number)),
            NotAfterMs = StartMs + 3_600_000,
            Contract = "simulated",
            Method = method,
            Arguments = arguments ?? new byte[] { (byte)(argument >> 24), (byte)(argument >> 16), (byte)(argument >> 8), (byte)argument },
        };
        var signature = Digest.Of(BitConverter.GetBytes(number)).ToArray();
        Assert.Equal(Rejection.None, Transaction.TryParse(Transaction.Assemble(SignatureAlgorithm.Ed25519, payload.Encode(), (byte[])[.. signature, .. signature]), out var transaction));
        return transaction!;
    }

    private void Handle(int seat, ConsensusInput input)
    {
        if (input is MessageReceived received)
        {
            if (Cores[seat].News(received.Message) is not { } news) return;
            var good = MessageVerifier.Verify(Cores[seat].Setup, news);
            // What was on its way when the era ended does not count in the next one; nothing else of honest peers is refused.
            Assert.True(good || Eras.Count > 0, $"{news} is refused");
            if (!good) return;
            input = received with { Message = news };
        }

        var step = Cores[seat].Step(input);
        Journals[seat].AddRange(step.Writes);
        foreach (var output in step.Outputs)
        {
            switch (output)
            {
                case SignVote sign:
                    var signed = Sign(seat, sign.Vote);
                    Signed[seat].Add(signed);
                    _queue.Enqueue((seat, new VoteSigned(NowMs, signed)));
                    break;
                case SendMessage send: Send(seat, send.To, send.Message); break;
                case BroadcastMessage broadcast:
                    for (var to = 0; to < Setups.Length; to++)
                    {
                        if (to != seat) Send(seat, to, broadcast.Message);
                    }

                    break;
                case SetTimer timer: _timers.Enqueue((seat, _lives[seat], new TimerExpired(0, timer.Token)), NowMs + timer.DurationMs); break;
                case SetDeadline { TimeMs: { } atMs }: _timers.Enqueue((seat, _lives[seat], new DeadlineReached(0)), Math.Max(NowMs, atMs)); break;
                case EraEnded ended:
                    Eras[ended.Next.Era] = ended.Next;
                    Cores[seat] = Cores[seat].Successor();
                    _queue.Enqueue((seat, new Started(NowMs)));
                    break;
                case BlockCommitted committed: Committed[seat].Add(committed.Executed.Block); break;
                default: Others.Add(output); break;
            }
        }
    }

    private void Send(int from, int to, ConsensusMessage message)
    {
        Sent.Add((from, to, message));
        if (Down.Contains(to) || Loses(from, to, message)) return;
        _queue.Enqueue((to, new MessageReceived(0, from, message)));
    }

    private ConsensusSetup Setup(int seat, int blockLimit) => new()
    {
        Chain = SimulatedMachine.Chain,
        Shard = SimulatedMachine.Shard,
        Validators = Validators,
        Seat = seat,
        SeatIn = validators => validators.SeatOf(Entry(seat, 0).TransactionKey.Id),
        Genesis = Genesis,
        Machine = new SimulatedMachine(blockLimit, Entry),
    };

    /// <summary>A seat's entry; a version has another vote key and the same others.</summary>
    public Validator Entry(int seat, int version)
    {
        PublicKey Key(int role)
        {
            var (publicKey, privateKey) = (new byte[32], new byte[64]);
            Geralt.Ed25519.GenerateKeyPair(publicKey, privateKey, [.. Enumerable.Repeat((byte)(seat * 4 + role + 1), 31), (byte)(role == 1 && version > 0 ? version : seat * 4 + role + 1)]);
            Assert.True(PublicKey.TryCreate(SignatureAlgorithm.Ed25519, publicKey, out var key));
            _privateKeys[key!] = privateKey;
            return key!;
        }

        return new Validator(ParticipantId.Parse($"validator-{seat}"), Key(0), Key(1), Key(2), Key(3));
    }
}
