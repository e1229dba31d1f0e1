"""Words the local extractor knows by their part in a sentence, as data."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FIRST_PERSON = _words("i me we us myself ourselves")
FIRST_OWNER = _words("my our mine ours")
HE, SHE, THEY, IT = (
    _words("he him himself"),
    _words("she her herself hers"),
    _words("they them themselves"),
    _words("it"),
)
OWNERS = {"his": "m", "her": "f", "their": "t", "its": "i"}
PRONOUNS = FIRST_PERSON | HE | SHE | THEY | IT | _words("you yourself yourselves who whom which")
DETERMINERS = _words(
    "a an the this that these those some any no every each another my our your his her its their whose"
)
PREPOSITIONS = _words(
    """at in on from of to for with by near about into over under as via through within without between around across
    during after before since until till against towards toward off onto despite like than outside inside behind beside
    among per including using @ w/""",
)
CONJUNCTIONS = _words(
    "and or but so because while although though whereas nor then yet & plus therefore since when whenever"
)
CLAUSE_STARTS = _words("but so because while although though whereas since when whenever ; that who which where")
NEGATIONS = _words(
    "not n't never no neither nor nobody none cannot cant dont doesnt didnt isnt arent wasnt wont hardly"
)
AUXILIARIES = _words(
    "do does did will 'll shall can has have had 've 's 'd is are am was were 'm 're be been being ca wo im"
)
UNREAL = _words(
    """
        if might maybe perhaps possibly would could whether wish wishes wished unless hopefully supposing suppose
        imagine may     wonder wondering wonders considering pondering
    """,
)
UNREAL_PAIRS = {
    ("thinking", "about"),
    ("thinking", "of"),
    ("think", "about"),
    ("dreaming", "of"),
    ("dreams", "of"),
    ("dream", "of"),
}
ADVERBS = _words(
    """also still now just already really recently currently finally usually often always sometimes only even mostly
    mainly actually probably definitely certainly both all never soon today yesterday tomorrow directly closely together
    later once again formerly previously originally apparently officially quickly happily secretly eventually truly too
    there here then first last next almost nearly maybe ever realy rly totally absolutely particularly especially
    generally quite rather pretty very so much no longer not n't to 's""",
)
INTERJECTIONS = _words(
    """
                 lol haha hey hi hello ok okay yes yeah yep nope oh ah well ugh wow omg btw anyway please thanks hmm
        um uh tbh ngl imo imho smh pls plz thx ty dear         sure
    """
)
DEGREES = _words(
    "really very much so quite absolutely totally truly just also too still always both best most more even"
)

TITLES = _words(
    "dr mr mrs ms miss prof professor sir lady lord captain judge sister brother father uncle aunt auntie aunty "
    "grandma grandpa granny nana cousin doctor president senator coach pastor rabbi sergeant dame madam herr frau"
)
# "my sister Anna": whoever stands beside such a word knows its owner, manages them, or is managed by them.
KNOWS_ROLES = _words(
    """
        sister brother mother mom mum dad father wife husband son daughter uncle aunt auntie cousin niece nephew
        grandma     grandpa grandmother grandfather granny granddaughter grandson friend girlfriend boyfriend partner
        fiance fiancé fiancee     fiancée spouse colleague coworker co-worker teammate classmate flatmate roommate
        housemate neighbour neighbor dentist     doctor lawyer landlord landlady teacher tutor mentor mentee therapist
        client customer buddy mate pal son-in-law     daughter-in-law mother-in-law father-in-law brother-in-law
        sister-in-law stepmother stepfather stepson stepdaughter     stepsister stepbrother half-brother half-sister
        twin twins sibling siblings parents kids children sons daughters sisters     brothers friends colleagues
        coworkers teammates classmates flatmates roommates housemates neighbours neighbors cousins     accountant
        hairdresser barber co-founder cofounder advisor adviser babysitter nanny godmother godfather godson
        goddaughter goddaughter bestie bff companion acquaintance contact physio physiotherapist professor gp vet
        plumber gardener cleaner pen-pal ex ex-wife ex-husband ex-boyfriend ex-girlfriend freind nan gran bandmate
        bandmates gf bf hubby sis bro stepdad stepmom
    """,
)
BOSS_ROLES = _words(
    "boss manager supervisor lead teamlead superior chief coach trainer director head foreman bosses managers"
)
REPORT_ROLES = _words(
    "intern assistant employee report apprentice trainee subordinate deputy secretary interns employees reports"
)
ROLES = KNOWS_ROLES | BOSS_ROLES | REPORT_ROLES
JOBS = _words(
    """
        ceo cto cfo coo cmo cio vp president chairman chairwoman chair engineer developer designer programmer nurse
        doctor     surgeon teacher lecturer professor accountant auditor analyst consultant architect scientist
        researcher editor journalist     reporter writer producer chef cook waiter barista driver pilot mechanic
        electrician plumber carpenter technician officer     executive administrator receptionist clerk cashier
        recruiter actuary trader broker banker lawyer solicitor paralegal judge     pharmacist therapist
        physiotherapist dentist veterinarian vet librarian curator translator salesman saleswoman salesperson
        marketer strategist planner operator supervisor foreman founder co-founder cofounder owner partner
        cardiologist     pediatrician paediatrician radiologist oncologist midwife paramedic firefighter photographer
        principal headmaster     headmistress dean postdoc intern trainee apprentice assistant secretary manager
        director head lead chief captain     coordinator representative rep volunteer employee boss spokesperson
        physicist chemist biologist statistician economist     controller treasurer tester sysadmin webmaster security
        guard janitor gardener baker brewer tailor jeweller
    """,
)
MEMBERS = _words(
    """
        member members student students pupil player alumnus alumna graduate undergraduate striker goalkeeper drummer
        part singer guitarist bassist violinist subsidiary division branch unit freshman sophomore module component
    """
)

ORG_SUFFIXES = _words(
    """
        inc ltd llc llp plc gmbh ag bv corp corporation company co group holdings partners associates consulting
        labs lab laboratories systems solutions software technologies technology tech robotics analytics media
        logistics capital     ventures industries motors airlines airways pharma pharmaceuticals biotech therapeutics
        dynamics studios studio games     records press publishing publishers books bakery brewery bistro cafe café
        restaurant diner hotel inn clinic hospital     hospice pharmacy school college academy university institute
        polytechnic foundation trust society association     council ministry department agency museum library theatre
        theater orchestra choir ensemble quartet band club united rovers     rangers wanderers athletic fc energy
        foods insurance bank health healthcare medical dental securities electric electronics     telecom networks
        construction builders architects design designs interiors furniture fashion textiles steel mining
        petroleum chemicals plastics farms dairy winery vineyards travel couriers freight shipping cargo legal law
        commission     committee union federation collective cooperative co-op charity church parish kindergarten
        nursery gym crew squad tigers     lions eagles bears hawks wolves sharks bulls dragons knights falcons
        panthers giants kings high elementary primary     secondary gallery aerospace automotive semiconductors
        biosciences genomics outfitters realty properties estates savings     mutual finance financial credit payments
        retail stores supermarket bros brothers sons daughters imports exports optics
    """,
)
ORG_BEFORE = _words("university institute bank ministry department college church school museum society academy house")
ORG_NOUNS = _words(
    """
        startup start-up company firm agency studio consultancy bank charity nonprofit non-profit ngo club band choir
        orchestra team     university college school hospital clinic bakery restaurant cafe café shop store newspaper
        publisher manufacturer brewery     retailer subsidiary foundation cooperative supplier vendor bookshop
        bookstore gallery museum airline insurer employer     organisation organization institute practice hotel gym
        magazine theatre carmaker law-firm wholesaler provider lab
    """,
)
ORG_FOLLOWERS = _words(
    "office offices headquarters hq ceo cto cfo employee employees staff branch shares team engineers contract account"
)
PROJECT_NOUNS = _words(
    """project initiative app application prototype codebase repo repository rewrite migration rollout programme pilot
    product platform website site bot chatbot plugin library tool dashboard engine game compiler service""",
)
PROJECT_FOLLOWERS = _words(
    """
        project initiative programme program platform website bot plugin dashboard product app application prototype
        migration codebase repo repository rewrite rollout projects
    """
)
PROJECT_KINDS = PROJECT_NOUNS | _words(
    """framework side-project parser simulator editor client server backend frontend extension package module database
    newsletter podcast tracker planner system software program scraper crawler marketplace portal api sdk cli
    search-engine satellite telescope robot drone experiment study""",
)
TOPIC_FOLLOWERS = _words(
    """principles framework library database language programming methodology method style syntax patterns pattern code
    lessons course class stack scripts queries plugin protocol algorithm architecture dialect""",
)
PLACE_SUFFIXES = _words(
    """
        street avenue road lane park lake river square island islands beach mountain mountains hill hills valley bay
        bridge     station district county forest falls canyon harbour harbor coast boulevard heights village quarter
        peninsula springs     glacier fjord lagoon creek gorge desert st ave rd airport strait alley plaza court
    """,
)
PLACE_BEFORE = _words("mount mt lake cape port fort isle river saint san santa los las la el puerto")
PLACE_NOUNS = _words(
    "town city village island suburb neighbourhood neighborhood region district country county hamlet port capital"
)
EVENT_SUFFIXES = _words(
    "marathon festival conference summit cup championship championships expo fair parade olympics hackathon con "
    "symposium gala fest prix biennale"
)
EVENTS = _words(
    """
        meeting wedding exam trip race conference party concert appointment interview birthday anniversary funeral
        ceremony     festival workshop seminar webinar hackathon marathon match game tournament final launch retreat
        offsite picnic barbecue     bbq dinner lunch brunch breakfast graduation reunion test recital audition surgery
        operation checkup check-up exhibition     demo presentation keynote standup stand-up kickoff kick-off
        retrospective sprint-review hearing trial election     vacation holiday cruise flight hike tour competition
        contest gala ball premiere screening rehearsal class lecture     talk call review orientation inauguration
        celebration baptism christening bake-off fundraiser auction fair parade rally     evening regatta triathlon
        championship quiz briefing debate visit sleepover camp convention symposium summit     event opening
        housewarming shower dance show performance gig playoff semifinal semi-final derby prom assembly expedition
        excursion outing inspection viewing session course webcast meetup meet-up onboarding scan x-ray vaccination
    """,
)
# Of those, the ones that are as often no occasion at all: they need "my", "the … is on", or a word that fixes it.
WEAK_EVENTS = _words(
    """class call talk review game match test dinner lunch brunch breakfast evening operation show dance course session
    visit final event fair ball holiday vacation flight opening camp performance shower tour launch competition
    debate trial election birthday hike scan camp assembly inspection lecture demo presentation""",
)
MODIFIED_BY_EVENT = _words(
    """
        room rooms dress invitation invitations ticket tickets speech cake notes agenda guest guests photos venue
        season card centre center hall preparation organiser organizer planner planning budget date dates list report
        day fee calendar minutes
    """
)
NOT_NAMES = _words(
    """
        monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
        september     october november december christmas easter halloween thanksgiving hanukkah ramadan diwali eid
        passover xmas i i'm ok okay yes no     hi hello hey dear thanks thank please sorry todo fyi asap btw imo lol
        omg wtf mr mrs ms dr prof sir madam pdf usb cpu gpu ram url     http https api ui ux hr it pr qa ceo cto cfo
        coo vp phd msc bsc mba ba tv dvd dna gps atm faq diy rsvp eta ai ml     american british european asian
        african australian canadian mexican brazilian indian swiss austrian belgian scottish     argentinian chilean
        colombian peruvian cuban jamaican egyptian moroccan nigerian kenyan ethiopian ghanaian pakistani
        bangladeshi filipino taiwanese singaporean israeli palestinian lebanese syrian iraqi iranian saudi lutheran
        catholic     protestant muslim christian jewish buddhist hindu internet god covid bible quran earth moon mars
        sun     mum mom dad mummy daddy grandma grandpa new old north south east west
    """,
)
# A capital at a sentence's beginning says nothing of these.
OPENERS = _words(
    """
        about above after again all almost along already also although always among and another any anyone anything
        anyway apart     around as at back bad because before being below best better between both but by can careful
        cheers congrats cool could     currently despite did do does done each early either else enough even ever
        every everybody everyone everything     exactly except false few finally fine first for from full fun good got
        great guess had half happy has have having he hello     help her here hers him his hopefully how however in
        indeed inside instead into is it its just keep last lately later least     less let like little long look lots
        lovely luckily made make many maybe me mine more most much my near neither never next nice     nobody none nor
        not note nothing now of off often oh on once one only open or other our out over own perfect perhaps
        plenty probably quick quite rather really recently right same seems several she should since so some somebody
        someone     something sometimes soon still stop such sure take tell than that the their them then there these
        they thing things think     this those though three through today together told tomorrow tonight too true try
        turns two under unfortunately     until up usually very wait was we well were what whatever when where which
        while who whose why will wish with within without     wonderful would wow wrong yeah yep yesterday yet you
        your spring summer autumn winter morning evening meeting breakfast     lunch dinner work project team everyone
        people nothing memory error select update delete insert action
    """,
)
