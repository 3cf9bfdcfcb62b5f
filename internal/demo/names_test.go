package demo

// culture is where names come from. Each name is written as its bearer writes it, a bar, and in ASCII where that differs.
type culture struct {
	language    string
	familyFirst bool // in displayName
	given       []string
	family      []string
}

var cultures = []culture{
	{
		"de-DE", false,
		[]string{"Jürgen|juergen", "Käthe|kaethe", "Sören|soeren", "Maximiliane", "Björn|bjoern", "Friederike", "Götz|goetz", "Anneliese"},
		[]string{"Müller|mueller", "Weiß|weiss", "Groß|gross", "von der Schulenburg|von-der-schulenburg", "Schröder|schroeder", "Öztürk-Baumgärtner|oeztuerk-baumgaertner", "Jäger|jaeger"},
	},
	{
		"en-GB", false,
		[]string{"Siobhán|siobhan", "Niall", "Orla", "Rhys", "Imogen", "Callum", "Zoë|zoe"},
		[]string{"O'Brien|obrien", "D'Arcy|darcy", "O'Shaughnessy|oshaughnessy", "MacDonald", "Featherstonehaugh", "Ng", "St. John|st.john"},
	},
	{
		"en-US", false,
		[]string{"Tyler", "Keisha", "Mary-Jane", "DeShawn", "Jo", "Martin Luther|martin-luther"},
		[]string{"Washington", "Nguyen", "Smith-Wesson", "Kowalczyk-Abernathy", "Lee", "Hernandez"},
	},
	{
		"fr-FR", false,
		[]string{"Hélène|helene", "François-Xavier|francois-xavier", "Aurélie|aurelie", "Loïc|loic", "Maëlle|maelle", "Anaïs|anais"},
		[]string{"Lefèvre|lefevre", "d'Alembert|dalembert", "de La Rochefoucauld|de-la-rochefoucauld", "Bœuf|boeuf", "Çelik|celik", "N'Diaye|ndiaye"},
	},
	{
		"pl-PL", false,
		[]string{"Łukasz|lukasz", "Małgorzata|malgorzata", "Świętosława|swietoslawa", "Grzegorz", "Żaneta|zaneta"},
		[]string{"Brzęczyszczykiewicz|brzeczyszczykiewicz", "Wójcik|wojcik", "Dąbrowska|dabrowska", "Żółkiewska|zolkiewska"},
	},
	{
		"tr-TR", false,
		[]string{"Işıl|isil", "Çağrı|cagri", "Şebnem|sebnem", "İbrahim|ibrahim"},
		[]string{"Yıldırım|yildirim", "Gökçe|gokce", "Ağaoğlu|agaoglu", "Şahin|sahin"},
	},
	{
		"ja-JP", true,
		[]string{"太郎|taro", "花子|hanako", "美咲|misaki", "健一|kenichi", "陽翔|haruto", "さくら|sakura"},
		[]string{"山田|yamada", "佐々木|sasaki", "勅使河原|teshigawara", "小鳥遊|takanashi", "渡邉|watanabe"},
	},
	{
		"zh-CN", true,
		[]string{"雷|lei", "梅梅|meimei", "伟|wei", "秀英|xiuying", "子涵|zihan"},
		[]string{"李|li", "王|wang", "欧阳|ouyang", "诸葛|zhuge", "张|zhang"},
	},
	{
		"ko-KR", true,
		[]string{"민준|minjun", "서연|seoyeon", "지우|jiwoo", "하은|haeun"},
		[]string{"김|kim", "박|park", "남궁|namgung", "최|choi"},
	},
	{
		"da-DK", false,
		[]string{"Søren|soeren", "Åse|aase", "Bjørk|bjoerk", "Þórunn|thorunn", "Signe"},
		[]string{"Kjærgaard|kjaergaard", "Ødegård|oedegaard", "Guðmundsdóttir|gudmundsdottir", "Rasmussen"},
	},
	{
		"es-ES", false,
		[]string{"María José|maria-jose", "Íñigo|inigo", "Begoña|begona", "Ángel|angel"},
		[]string{"Núñez Ibáñez|nunez-ibanez", "Muñoz y Zubizarreta|munoz-y-zubizarreta", "García|garcia", "Etxeberría|etxeberria"},
	},
	{
		"el-GR", false,
		[]string{"Αλεξάνδρα|alexandra-constantina", "Γιώργος|giorgos", "Ελένη|eleni"},
		[]string{"Παπαδοπούλου|papadopoulou", "Παπαδόπουλος|papadopoulos", "Οικονόμου|oikonomou"},
	},
	{
		"hi-IN", false,
		[]string{"Priya", "Arjun", "Venkatasubramanian", "Lakshmi"},
		[]string{"Krishnamurthy", "Patel", "Balasubramaniam", "Rao"},
	},
	{
		"yo-NG", false,
		[]string{"Adébáyọ̀|adebayo", "Olúwáṣeun|oluwaseun", "Ngọ́zi|ngozi", "Ṣadé|sade"},
		[]string{"Okonkwo", "Adéwálé-Ọláńrewájú|adewale-olanrewaju", "Eze"},
	},
	{
		"vi-VN", true,
		[]string{"Thị Hương|thi-huong", "Đức|duc", "Minh Châu|minh-chau"},
		[]string{"Nguyễn|nguyen", "Trần|tran", "Đặng|dang"},
	},
	{
		"uk-UA", false,
		[]string{"Олександра|oleksandra", "Дмитро|dmytro", "Єва|yeva"},
		[]string{"Шевченко|shevchenko", "Григоренко-Прокопчук|hryhorenko-prokopchuk", "Бондар|bondar"},
	},
}
