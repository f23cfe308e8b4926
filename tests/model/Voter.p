// One copy of a seat (docs/spec/consensus.md §2 to §6): what it must do to vote, and nothing of when it is worth it. A seat that is run twice is two copies, each with its own guard.

enum tKind { NOTARIZE, NULLIFY, FINALIZE }

// A vote, and what a certificate is for. Parent: the view that notarized the block's parent.
type tVote = (kind: tKind, view: int, parent: int, block: int);
type tSigned = (vote: tVote, seat: int);
type tBlock = (block: int, parent: int);
type tProposal = (vote: tVote, block: tBlock);

event ePeers: seq[Voter];
event eProposal: tProposal;
event eVote: tSigned;
event eCertificate: tVote;
event eTick;

// For the monitors.
event eSigned: tSigned;
event eBuilt: tBlock;
event eCertified: tVote;

type tSetup = (seat: int, copy: int, views: int, rules: tRules);

// What a fault may switch off: the quorum, and rules of the guard.
type tRules = (quorum: int, notarizeOnce: bool, finalizeUnlessNullified: bool);

machine Voter {
  var setup: tSetup;
  var peers: seq[Voter];
  var view: int;
  var ticks: int;
  // The guard: highest view notarized and for which block, finalized, nullified.
  var notarized: int;
  var notarizedBlock: int;
  var finalized: int;
  var nullified: int;
  // What this copy knows: signers by vote, certificates, proposals by view.
  var signers: map[tVote, set[int]];
  var certificates: set[tVote];
  var notarizations: map[int, int];
  var nullifications: set[int];
  var proposals: map[int, seq[tProposal]];

  start state Waiting {
    entry (given: tSetup) {
      setup = given;
      view = 1;
      ticks = 2 * given.views;
      // View 0 is notarized by definition; its block is 0.
      notarizations[0] = 0;
    }
    on ePeers goto Voting with (all: seq[Voter]) { peers = all; }
    defer eProposal, eVote, eCertificate;
  }

  state Voting {
    entry {
      Act();
      send this, eTick;
    }

    on eProposal do (proposal: tProposal) {
      if (!(proposal.vote.view in proposals)) proposals[proposal.vote.view] = default(seq[tProposal]);
      proposals[proposal.vote.view] += (sizeof(proposals[proposal.vote.view]), proposal);
      Count(proposal.vote, LeaderOf(proposal.vote.view));
      Act();
    }

    on eVote do (signed: tSigned) {
      Count(signed.vote, signed.seat);
      Act();
    }

    on eCertificate do (vote: tVote) {
      Learn(vote);
      Act();
    }

    // A timer runs out, or not: whenever the scheduler likes.
    on eTick do {
      ticks = ticks - 1;
      if (choose(3) == 0 && view <= setup.views && view > finalized && view > nullified) {
        nullified = view;
        Sign((kind = NULLIFY, view = view, parent = 0, block = 0));
        Act();
      }
      if (ticks > 0 && view <= setup.views) send this, eTick;
    }
  }

  fun LeaderOf(of: int): int {
    return (of - 1) / 2 % 4;
  }

  // Whatever now follows from what is known (rules 1 to 4).
  fun Act() {
    var highest: int;
    var v: int;
    v = 1;
    while (v <= setup.views) {
      if (v in notarizations && v > finalized && (v > nullified || !setup.rules.finalizeUnlessNullified)) {
        finalized = v;
        Sign((kind = FINALIZE, view = v, parent = 0, block = notarizations[v]));
      }
      if (v in notarizations || v in nullifications) highest = v;
      v = v + 1;
    }
    if (highest >= view) view = highest + 1;
    if (view > setup.views) return;
    if (LeaderOf(view) == setup.seat) {
      Propose();
      return;
    }
    v = 0;
    while (view in proposals && v < sizeof(proposals[view])) {
      if (Justified(proposals[view][v].vote, proposals[view][v].block)) Notarize(proposals[view][v].vote);
      v = v + 1;
    }
  }

  // On the highest notarized block behind which all views are nullified. Copies of one seat build different blocks.
  fun Propose() {
    var p: int;
    var proposal: tProposal;
    if (view <= notarized) return;
    p = view - 1;
    while (!(p in notarizations)) {
      if (!(p in nullifications)) return;
      p = p - 1;
    }
    proposal.block = (block = 10 * view + setup.copy, parent = notarizations[p]);
    proposal.vote = (kind = NOTARIZE, view = view, parent = p, block = proposal.block.block);
    announce eBuilt, proposal.block;
    notarized = view;
    notarizedBlock = proposal.block.block;
    announce eSigned, (vote = proposal.vote, seat = setup.seat);
    Count(proposal.vote, setup.seat);
    SayProposal(proposal);
  }

  fun Justified(vote: tVote, block: tBlock): bool {
    var v: int;
    if (!(vote.parent in notarizations) || notarizations[vote.parent] != block.parent) return false;
    v = vote.parent + 1;
    while (v < vote.view) {
      if (!(v in nullifications)) return false;
      v = v + 1;
    }
    return true;
  }

  fun Notarize(vote: tVote) {
    if (vote.view < notarized || (vote.view == notarized && (vote.block == notarizedBlock || setup.rules.notarizeOnce))) return;
    notarized = vote.view;
    notarizedBlock = vote.block;
    Sign(vote);
  }

  fun Sign(vote: tVote) {
    var i: int;
    announce eSigned, (vote = vote, seat = setup.seat);
    Count(vote, setup.seat);
    while (i < sizeof(peers)) {
      if (peers[i] != this && Arrives()) send peers[i], eVote, (vote = vote, seat = setup.seat);
      i = i + 1;
    }
  }

  fun SayProposal(proposal: tProposal) {
    var i: int;
    while (i < sizeof(peers)) {
      if (peers[i] != this && Arrives()) send peers[i], eProposal, proposal;
      i = i + 1;
    }
  }

  fun Count(vote: tVote, seat: int) {
    var none: set[int];
    if (!(vote in signers)) signers[vote] = none;
    signers[vote] += (seat);
    if (sizeof(signers[vote]) >= setup.rules.quorum) Learn(vote);
  }

  // Certificates prove themselves: whoever has one passes it on, once.
  fun Learn(vote: tVote) {
    var i: int;
    if (vote in certificates) return;
    certificates += (vote);
    announce eCertified, vote;
    if (vote.kind == NULLIFY) nullifications += (vote.view);
    else notarizations[vote.view] = vote.block;
    while (i < sizeof(peers)) {
      if (peers[i] != this && Arrives()) send peers[i], eCertificate, vote;
      i = i + 1;
    }
  }

  fun Arrives(): bool {
    return choose(8) > 0;
  }
}
